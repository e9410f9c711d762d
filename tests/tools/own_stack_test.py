#!/usr/bin/python3
"""Every program of a probe has the tail call that keeps it on its own task's stack (bpf/lib/own_stack.h): without it kernels
since 6.13 let two hits on one processor write over each other's variables. Only what needs no stack may do without."""

import os
import re
import shutil
import unittest

from tools import run, skip

OBJECT = os.path.join(os.environ.get("OUTRIDER_BUILD", "build"), "bpf", "outrider.bpf.o")
TAIL_CALL = re.compile(r"\bcall (?:0xc|12)$", re.M)  # bpf_tail_call is helper 12
ON_STACK = re.compile(r"\(r10 [+-]")  # r10 is the frame pointer


def programs():
    """{name: instructions} of the section with the probes' programs."""
    tool = shutil.which("llvm-objdump") or shutil.which("llvm-objdump-14")
    if not tool:
        skip("llvm-objdump (of clang) is not installed")
    text = run([tool, "-d", "--no-show-raw-insn", "-j", "uprobe.multi", OBJECT])
    text = re.sub(r"^\w+ <LBB\w+>:\n", "", text, flags=re.M)  # labels inside a program
    parts = re.split(r"^\w+ <(\w+)>:\n", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2]))


class OwnStack(unittest.TestCase):
    def test_programs_of_probes_keep_to_their_tasks_stack(self):
        found = programs()
        self.assertIn("handle_query_start", found)
        self.assertGreaterEqual(len(found), 10, list(found))
        without = [name for name, text in found.items() if not TAIL_CALL.search(text)]
        self.assertEqual([name for name in without if ON_STACK.search(found[name])], [])
        self.assertLess(len(without), 2, without)


if __name__ == "__main__":
    unittest.main()
