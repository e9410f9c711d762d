"""Attaching and letting go in the middle of a load: what was in flight then is neither abandoned, lost nor invented."""

import time

import harness


class Detach(harness.Case):
    def test_a_watch_that_ends_in_the_middle_of_a_load_abandons_nothing(self):
        for mode in ("full", "light"):
            with self.subTest(mode):
                engine = self.engine("--threads", 4, "--rate", 0, "--duration", 20, "--fault", "sleep:1/20@0",
                                     record=False)
                watch = self.watch("--pid", engine.pid, "--mode", mode)
                engine.release()
                time.sleep(2)
                summary = watch.stop_one()
                engine.kill()
                self.assertGreater(summary["query_metrics"]["total_queries"], 1000)
                self.assertEqual(summary["query_metrics"]["abandoned_queries"], 0)
                self.assertEqual(harness.lost(summary), {})

    def test_threads_that_begin_together_are_all_counted(self):
        """Kernels up to 6.18 may refuse one of them a state while they are busy making another's."""
        for _ in range(3):
            engine = self.engine("--threads", 64, "--rate", 0, "--duration", 1)
            watch = self.watch("--pid", engine.pid, "--mode", "full")
            engine.release()
            rows = engine.finish()
            summary = next(iter(watch.end().values()))
            self.assertEqual(summary["query_metrics"]["total_queries"], len(rows))
            self.assertEqual(harness.lost(summary), {})

    def test_an_attach_to_an_engine_at_full_speed_loses_nothing(self):
        """The attach itself stops threads in the middle of a guard, one time in ten where that is not waited for."""
        engine = self.engine("--threads", 4, "--rate", 0, "--duration", 120, record=False)
        engine.release()
        for _ in range(20):
            summary = self.watch("--pid", engine.pid).stop_one()
            self.assertEqual(harness.lost(summary), {})
        engine.kill()


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
