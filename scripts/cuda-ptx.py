#!/usr/bin/env python3
"""Compiles csrc/*.cu to PTX with NVRTC.

usage: cuda-ptx.py LIBNVRTC SOURCE_FOLDER OUT_FOLDER [NAME.cu ...]

A file says its targets in a line "// Targets: 75 80 90a"; each gives
OUT_FOLDER/NAME.TARGET.ptx.gz. The output depends on the sources and on the
compiler alone: no paths, no times.
"""
import ctypes
import gzip
import io
import os
import re
import sys


class Compiler:
    """NVRTC, by ctypes."""

    def __init__(self, path):
        # Found by NVRTC by name otherwise, which needs LD_LIBRARY_PATH.
        folder = os.path.dirname(path)
        for name in sorted(os.listdir(folder)):
            if name.startswith("libnvrtc-builtins.so"):
                ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
        self.lib = ctypes.CDLL(path)

    def ptx(self, name, source, headers, target):
        """Returns the PTX of a source; raises ValueError with the log."""
        lib, program = self.lib, ctypes.c_void_p()
        texts = (ctypes.c_char_p * len(headers))(*(t.encode() for t in headers.values()))
        names = (ctypes.c_char_p * len(headers))(*(n.encode() for n in headers))
        if lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), len(headers), texts, names):
            raise ValueError("nvrtcCreateProgram failed")
        options = ["--gpu-architecture=compute_" + target, "--std=c++17", "--fmad=false"]
        options = [o.encode() for o in options]
        failed = lib.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = self.text(program, "nvrtcGetProgramLog")
        if failed:
            raise ValueError(log)
        if log.strip():
            sys.stderr.write(log)
        ptx = self.text(program, "nvrtcGetPTX")
        lib.nvrtcDestroyProgram(ctypes.byref(program))
        return unused_removed(ptx)

    def text(self, program, call):
        n = ctypes.c_size_t()
        getattr(self.lib, call + "Size")(program, ctypes.byref(n))
        buf = ctypes.create_string_buffer(n.value)
        getattr(self.lib, call)(program, buf)
        return buf.value.decode()


def unused_removed(ptx):
    """Leaves out constants that no code reads: NVRTC writes all it knows."""
    lines = ptx.split("\n")
    words = {}
    for w in re.findall(r"[\w$]+", ptx):
        words[w] = words.get(w, 0) + 1
    constant = re.compile(r"^\.global .*?([\w$]+)(\[\d+\])?( = .*)?;$")
    kept = []
    for line in lines:
        m = constant.match(line)
        if not m or words[m.group(1)] > 1:
            kept.append(line)
    return "\n".join(kept)


def targets(source):
    """Returns the targets that a kernel file names."""
    line = re.search(r"^// Targets:((?: \d+a?)+)$", source, re.M)
    if not line:
        raise ValueError('no line "// Targets: 75 ..."')
    return line.group(1).split()


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def unpack(path):
    """Returns the text of a gzip file, None when there is none."""
    if not os.path.exists(path):
        return None
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return f.read()


def pack(path, text):
    """Writes a gzip file, unless it holds the text already."""
    if unpack(path) == text:
        return
    buf = io.BytesIO()
    with gzip.GzipFile(fileobj=buf, mode="wb", compresslevel=9, mtime=0) as f:
        f.write(text.encode())
    with open(path + ".new", "wb") as f:
        f.write(buf.getvalue())
    os.replace(path + ".new", path)


def main():
    library, folder, out, only = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    compiler = Compiler(library)
    headers = {n: read(os.path.join(folder, n)) for n in sorted(os.listdir(folder)) if n.endswith(".cuh")}
    os.makedirs(out, exist_ok=True)
    made, failed = set(), False
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".cu") or only and name not in only:
            continue
        source = read(os.path.join(folder, name))
        try:
            for target in targets(source):
                file = "%s.%s.ptx.gz" % (name[:-3], target)
                pack(os.path.join(out, file), compiler.ptx(name, source, headers, target))
                made.add(file)
        except ValueError as e:
            print("%s: %s" % (name, e), file=sys.stderr)
            failed = True
    if not only and not failed:
        for file in os.listdir(out):
            if file.endswith(".ptx.gz") and file not in made:
                os.remove(os.path.join(out, file))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
