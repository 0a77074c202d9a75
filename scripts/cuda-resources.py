#!/usr/bin/env python3
"""Assembles PTX and tells what each kernel uses.

usage: cuda-resources.py [--faulty-wgmma] PTXAS NVDISASM PTX_FOLDER [CUBIN_FOLDER]

A kernel that spills registers fails, and so does one whose tensor-core
instructions are not those of the machine: IMMA for int8, HMMA for bf16, IGMMA
and HGMMA on sm_90a; or whose wgmma ptxas makes wait for each other, unless
--faulty-wgmma says that they leave out waits on purpose, as tests do. The last
column counts them.
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


# What an instruction of PTX has to be in the machine's code.
TENSOR = [
    (r"mma\.sync\S*\.s32\.[su]8", "IMMA"),
    (r"mma\.sync\S*\.bf16\.bf16", "HMMA"),
    (r"wgmma\.mma_async\S*\.s32\.[su]8", "IGMMA"),
    (r"wgmma\.mma_async\S*\.bf16\.bf16", "HGMMA"),
]


def instructions(text):
    """Returns the tensor-core instructions of each kernel: {name: {op: n}}."""
    found, name = {}, None
    for line in text.split("\n"):
        # A function begins at its section in nvdisasm's output, or .entry in PTX.
        m = re.match(r"\s*\.section\s+\.text\.(\w+)|.*\.entry (\w+)", line)
        if m:
            name = m.group(1) or m.group(2)
        m = re.search(r"\b(I|H)G?MMA\b", line)
        if m and name:
            ops = found.setdefault(name, {})
            ops[m.group(0)] = ops.get(m.group(0), 0) + 1
        for pattern, op in TENSOR:
            if re.search(pattern, line) and name:
                found.setdefault(name, {}).setdefault(op, 0)
    return found


FAULTY = "--faulty-wgmma" in sys.argv


def moved_registers(text, kernel, threads, registers):
    """Says what is wrong with a kernel's setmaxnreg, "" for nothing: one
    warpgroup gives registers away and the others take them, of those that the
    block has at launch; who takes more waits for ever."""
    body = re.search(r"\.entry %s\((?:(?!\.entry ).)*" % kernel, text, re.S).group(0)
    down, up = ({int(n) for n in re.findall(r"setmaxnreg\.%s\S* (\d+)" % way, body)} for way in ("dec", "inc"))
    if not down and not up:
        return ""
    groups, (less,), (more,) = threads // 128, down, up
    if not less <= registers <= more:
        return "moves %d registers to %d and %d" % (registers, less, more)
    if less + (groups - 1) * more > groups * registers:
        return "wants %d registers of %d" % (128 * (less + (groups - 1) * more), 128 * groups * registers)
    return ""


def assemble(tools, name, text, machine, cubin):
    """Returns (kernel, registers, shared, spills, threads, tensor) rows."""
    ptxas, nvdisasm = tools
    wanted, code = instructions(text), {}
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, name)
        cubin = cubin or os.path.join(folder, "out")
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
        out = subprocess.run([ptxas, "-v", "-arch=sm_" + machine, source, "-o", cubin], capture_output=True, text=True, check=False)
        if out.returncode:
            raise RuntimeError("%s for sm_%s:\n%s" % (name, machine, out.stderr))
        serialized = re.search(r".*wgmma.* serialized .*", out.stderr)
        ignored = re.search(r".*setmaxnreg.*", out.stderr)
        if ignored and not FAULTY:
            raise RuntimeError("%s for sm_%s: %s" % (name, machine, ignored.group(0)))
        if serialized and not FAULTY:
            raise RuntimeError("%s for sm_%s: %s" % (name, machine, serialized.group(0)))
        if wanted:
            code = instructions(subprocess.run([nvdisasm, cubin], capture_output=True, text=True, check=True).stdout)
    for kernel, ops in wanted.items():
        for op in ops:
            if not code.get(kernel, {}).get(op):
                raise RuntimeError("%s for sm_%s: its code has no %s" % (kernel, machine, op))
    threads = {}
    for m in re.finditer(r"\.entry (\w+)\((.*?)\{", text, re.S):
        t = re.search(r"\.maxntid\s+(\d+)(?:,\s*(\d+))?(?:,\s*(\d+))?", m.group(2))
        threads[m.group(1)] = int(t.group(1)) * int(t.group(2) or 1) * int(t.group(3) or 1) if t else 1024
    rows = []
    pattern = r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers([^\n]*)"
    for m in re.finditer(pattern, out.stderr, re.S):
        shared = re.search(r"(\d+) bytes smem", m.group(6))
        wrong = moved_registers(text, m.group(1), threads[m.group(1)], int(m.group(5)))
        if wrong and not FAULTY:
            raise RuntimeError("%s for sm_%s: %s %s" % (name, machine, m.group(1), wrong))
        rows.append((m.group(1), int(m.group(5)), int(shared.group(1)) if shared else 0, int(m.group(3)) + int(m.group(4)), threads[m.group(1)], code.get(m.group(1), {})))
    return sorted(rows, key=lambda r: r[0])


def main():
    args = [a for a in sys.argv[1:] if a != "--faulty-wgmma"]
    tools, folder, cubins = args[:2], args[2], args[3] if len(args) > 3 else None
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
            cubin = os.path.join(cubins, "%s.sm_%s.cubin" % (stem, m)) if cubins else None
            jobs.append((m, pool.submit(assemble, tools, stem + ".ptx", text, m, cubin)))
    print("%-34s %5s %7s %9s %9s %6s  %s" % ("kernel", "sm", "threads", "registers", "shared", "spills", "blocks, warps a multiprocessor; tensor-core instructions"))
    bad = []
    for m, job in jobs:
        for kernel, registers, shared, spills, threads, tensor in job.result():
            blocks, warps = occupancy(m, threads, registers, shared)
            ops = "".join("; %d %s" % (n, op) for op, n in sorted(tensor.items()))
            print("%-34s %5s %7d %9d %9d %6d  %d, %d (%.0f %%)%s" % (kernel, m, threads, registers, shared, spills, blocks, warps, 100 * warps * 32 / MACHINES[m][3], ops))
            if spills:
                bad.append("%s spills %d bytes on sm_%s" % (kernel, spills, m))
    for b in bad:
        print(b, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
