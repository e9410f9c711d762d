#!/usr/bin/env python3
"""Flame graphs on the page, in Chromium, against the real agent."""

from web_harness import WebCase, harness, require_browser


class DashboardFlame(WebCase):
    def test_flame_graphs(self):
        _, agent = self.watched()
        self.browse("flame", agent).finish()
        agent.end()

    def test_flame_graphs_by_keyboard(self):
        _, agent = self.watched()
        self.browse("flame_keys", agent).finish()
        agent.end()

    def test_a_flame_graph_beside_an_earlier_one(self):
        _, agent = self.watched()
        self.browse("compares", agent).finish()
        agent.end()

    def test_a_flame_graph_that_the_agent_recorded(self):
        _, agent = self.watched("--fault", "spin:5/100@0")
        self.browse("recorded", agent, type="path", leaf="WaitPlanter::plant", shot="flame-recorded").finish()
        agent.end()


if __name__ == "__main__":
    require_browser()
    harness.require_kernel()
    harness.main()
