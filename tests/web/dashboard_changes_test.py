#!/usr/bin/env python3
"""The page, in Chromium, while what it shows changes, goes, hangs or is not seen."""

import time

from web_harness import WebCase, harness, require_browser


class DashboardChanges(WebCase):
    def test_a_target_that_goes_and_an_agent_that_comes_back(self):
        engine, agent = self.watched()
        browser = self.browse("comes_back", agent)
        browser.await_step("end the engine")
        engine.kill()
        browser.go_on()
        browser.await_step("take the target away")
        other = self.engine("--rate", 10, "--duration", 100, record=False, hold=False)
        self.configure_alerts([f'pid = {other.pid}\ndisplay_name = "another"'], [], interval="1s")
        self.reload(agent)
        browser.go_on()
        browser.await_step("end the agent")
        agent.end()
        browser.go_on()
        browser.await_step("start the agent")
        agent = self.start()
        browser.go_on()
        browser.finish()
        agent.end()

    def test_a_page_that_nobody_sees(self):
        _, agent = self.watched()
        self.browse("hidden", agent).finish()
        agent.end()

    def test_answers_that_never_come(self):
        _, agent = self.watched()
        self.browse("hangs", agent).finish()
        agent.end()

    def test_answers_that_are_refused(self):
        _, agent = self.watched()
        self.browse("refused", agent).finish()
        agent.end()

    def test_answers_about_the_target_before(self):
        engine = self.engine("--rate", 100, "--duration", 200, record=False, hold=False)
        other = self.engine("--rate", 10, "--duration", 200, record=False, hold=False)
        self.configure_alerts([f'pid = {engine.pid}\ndisplay_name = "engine"', f'pid = {other.pid}\ndisplay_name = "another"'],
                              [], interval="1s")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "a snapshot")
        self.browse("switches", agent).finish()
        agent.end()

    def test_a_restart_is_marked_once(self):
        binary = harness.copy_of_engine(self.directory)
        load = ("--rate", 100, "--duration", 200)
        engine = self.engine(*load, binary=binary, record=False, hold=False)
        self.configure([f'exe = "{binary}"\ndisplay_name = "engine"'], interval="1s")
        agent = self.start()
        agent.await_total("engine", 100)
        browser = self.browse("restarts", agent)
        browser.await_step("start the engine again")
        engine.kill()
        time.sleep(3)
        began = time.time()
        self.engine(*load, binary=binary, record=False, hold=False, delay=0)
        browser.go_on(round(began * 1000))
        browser.finish()
        agent.end()

    def test_slow_and_hanging_queries(self):
        _, agent = self.watched()
        self.browse("queries", agent).finish()
        self.browse("queries_unseen", agent).finish()
        agent.end()

    def test_figures_while_the_probes_are_off(self):
        _, agent = self.watched()
        self.browse("paused", agent).finish()
        agent.end()


if __name__ == "__main__":
    require_browser()
    harness.require_kernel()
    harness.main()
