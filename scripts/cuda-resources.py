#!/usr/bin/env python3
"""Assembles PTX and tells what each kernel uses.

usage: cuda-resources.py PTXAS PTX_FOLDER [CUBIN_FOLDER]

A kernel that spills registers, or that needs a stack, fails.
"""
import concurrent.futures
import gzip
import os
import re
import subprocess
import sys
import tempfile

# Multiprocessors: registers, shared memory in bytes with what a block takes
# beside its own, threads, blocks.
MACHINES = {
    "75": (65536, 65536, 0, 1024, 16),
    "80": (65536, 167936, 1024, 2048, 32),
    "86": (65536, 102400, 1024, 1536, 16),
    "89": (65536, 102400, 1024, 1536, 24),
    "90a": (65536, 233472, 1024, 2048, 32),
}


def machines(target):
    """Returns the machines that run code of a target."""
    if target.endswith("a"):
        return [target]
    return [m for m in MACHINES if int(m.rstrip("a")) >= int(target)]


def occupancy(machine, threads, registers, shared):
    """Returns the blocks and warps that a multiprocessor holds."""
    regs, shm, reserved, most_threads, blocks = MACHINES[machine]
    warps = (threads + 31) // 32
    by_threads = most_threads // (warps * 32)
    # Registers are given to warps in units of 256.
    a_warp = (registers * 32 + 255) // 256 * 256
    by_registers = regs // a_warp // warps if registers else blocks
    by_shared = shm // (shared + reserved) if shared + reserved else blocks
    n = min(by_threads, by_registers, by_shared, blocks)
    return n, n * warps


def assemble(ptxas, name, text, machine, cubin):
    """Returns (kernel, registers, shared, stack, spills, threads) rows."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, name)
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
        out = subprocess.run([ptxas, "-v", "-arch=sm_" + machine, source, "-o", cubin or os.path.join(folder, "out")], capture_output=True, text=True, check=False)
    if out.returncode:
        raise RuntimeError("%s for sm_%s:\n%s" % (name, machine, out.stderr))
    threads = {}
    for m in re.finditer(r"\.entry (\w+)\((.*?)\{", text, re.S):
        t = re.search(r"\.maxntid\s+(\d+)(?:,\s*(\d+))?(?:,\s*(\d+))?", m.group(2))
        threads[m.group(1)] = int(t.group(1)) * int(t.group(2) or 1) * int(t.group(3) or 1) if t else 1024
    rows = []
    pattern = r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers([^\n]*)"
    for m in re.finditer(pattern, out.stderr, re.S):
        shared = re.search(r"(\d+) bytes smem", m.group(6))
        rows.append((m.group(1), int(m.group(5)), int(shared.group(1)) if shared else 0, int(m.group(2)), int(m.group(3)) + int(m.group(4)), threads[m.group(1)]))
    return sorted(rows)


def main():
    ptxas, folder, cubins = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    jobs = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        names = sorted(n for n in os.listdir(folder) if n.endswith(".ptx.gz"))
        best = {}
        for n in names:
            stem, target = n.split(".")[:2]
            for m in machines(target):
                if (stem, m) not in best or int(best[stem, m].rstrip("a")) < int(target.rstrip("a")):
                    best[stem, m] = target
        for (stem, m), target in sorted(best.items()):
            with gzip.open(os.path.join(folder, "%s.%s.ptx.gz" % (stem, target)), "rt", encoding="utf-8") as f:
                text = f.read()
            cubin = os.path.join(cubins, "%s.%s.cubin" % (stem, m)) if cubins else None
            jobs.append((m, pool.submit(assemble, ptxas, stem + ".ptx", text, m, cubin)))
    print("%-34s %5s %7s %9s %9s %6s  %s" % ("kernel", "sm", "threads", "registers", "shared", "spills", "blocks, warps a multiprocessor"))
    bad = []
    for m, job in jobs:
        for kernel, registers, shared, stack, spills, threads in job.result():
            blocks, warps = occupancy(m, threads, registers, shared)
            print("%-34s %5s %7d %9d %9d %6d  %d, %d (%.0f %%)" % (kernel, m, threads, registers, shared, spills, blocks, warps, 100 * warps * 32 / MACHINES[m][3]))
            if spills:
                bad.append("%s spills %d bytes on sm_%s" % (kernel, spills, m))
    for b in bad:
        print(b, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
