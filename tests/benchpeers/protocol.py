"""Serves the figures of a peer: a request and an answer are one line of JSON.

    {"do": "hello"}                                     {"facts": {...}}
    {"do": "open", "figure": NAME, "threads": N}        {"note": "..."}
    {"do": "time", "figure": NAME, "warmup": N,
     "min_ms": T, "min_runs": N, "max_runs": N}         {"ms": [...]}
    {"do": "close"}                                     {}

Several figures may be open; close frees them all. An answer with "error" says why there is no other. The process lives as long
as its standard input, so that what it imports is paid once.
"""

import gc
import json
import os
import sys
import time


def measure(run, request):
    """Returns the milliseconds of each run."""
    for _ in range(request["warmup"]):
        run()
    times = []
    gc.collect()
    gc.disable()
    try:
        start = last = time.perf_counter()
        while len(times) < request["min_runs"] or (
            (last - start) * 1e3 < request["min_ms"] and len(times) < request["max_runs"]
        ):
            run()
            now = time.perf_counter()
            times.append((now - last) * 1e3)
            last = now
    finally:
        gc.enable()
    return times


def serve(hello, figures):
    """Answers requests until the input ends. figures maps a name to a function
    of the number of threads that returns what to run and a note."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What a library prints is no answer.
    ready = {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {}
            if request["do"] == "hello":
                answer["facts"] = hello()
            elif request["do"] == "open":
                ready[request["figure"]], answer["note"] = figures[request["figure"]](request["threads"])
            elif request["do"] == "time":
                answer["ms"] = measure(ready[request["figure"]], request)
            elif request["do"] == "close":
                ready.clear()
                gc.collect()
            else:
                answer["error"] = "unknown request"
        except KeyError as e:
            answer = {"error": f"nothing called {e}"}
        except Exception as e:  # Whatever a peer cannot do is an answer.
            answer = {"error": f"{type(e).__name__}: {e}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def main(names, load):
    """Prints names with --names; otherwise serves what load returns."""
    if sys.argv[1:2] == ["--names"]:
        print("\n".join(names))
        return
    serve(*load())
