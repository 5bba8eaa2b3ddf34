"""Many clients of `hob serve` at once: streams beside idle connections, overload, readers that read nothing, clients that hang up.

    python bench/serve_load.py --hob target/release/hob
    python bench/serve_load.py --hob target/release/hob --compare MODEL

Prints a line for each part, and ends with 1 where an answer is lost, ends twice or something is left running. Only the
standard library. Raw sockets, because no client library can be made to misbehave."""

import argparse
import asyncio
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

FAULTS = []


def check(holds, what):
    if not holds:
        FAULTS.append(what)
        print(f"  FAULT: {what}")


class Server:
    """A `hob serve` with its own folder of data."""

    def __init__(self, hob, model="ember"):
        self.home = tempfile.TemporaryDirectory()
        environment = {**os.environ, "HOB_HOME": self.home.name}
        started = time.perf_counter()
        command = [os.path.abspath(hob), "serve", model, "--port", "0", "--no-chats"]
        self.process = subprocess.Popen(command, cwd=self.home.name, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = None
        for line in self.process.stdout:
            if "http://127.0.0.1:" in line:
                self.port = int(line.split("http://127.0.0.1:")[1].split("/")[0].split()[0])
                break
        if self.port is None:
            raise SystemExit("the server did not say where it listens")
        self.get("/health")
        self.ready_after = time.perf_counter() - started

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode()

    def memory(self):
        """Its own pages in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) / 1024

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metric(self, name):
        for line in self.get("/metrics").splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                return float(line.rsplit(" ", 1)[1])
        raise SystemExit(f"/metrics has no {name}")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.home.cleanup()


def request(tokens, stream=True, words="Tell me about a river."):
    body = json.dumps({
        "model": "ember",
        "messages": [{"role": "user", "content": words}],
        "max_tokens": tokens,
        "stream": stream,
    }).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


async def ask(port, tokens):
    """Status, seconds to the first words, seconds in all, and how often the answer ended."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(tokens))
    await writer.drain()
    status = int((await reader.readline()).split()[1])
    first, ends, retry = None, 0, False
    while line := await reader.readline():
        retry |= line.lower().startswith(b"retry-after:")
        if first is None and b'"content":"' in line and b'"content":""' not in line:
            first = time.perf_counter() - started
        ends += line.startswith(b"data: [DONE]")
    writer.close()
    return status, first, time.perf_counter() - started, ends, retry


def compare(hob, model, rounds, tokens):
    """One stream's rate as a client sees it, over that of the engine's own bench, by turns."""
    server = Server(hob, model)
    body = json.dumps({"prompt": "The river", "n_predict": tokens, "ignore_eos": True, "temperature": 0, "stream": True, "cache_prompt": False}).encode()
    ratios, seen = [], []
    for turn in range(rounds + 1):
        command = [hob, "bench", model, "--tokens", str(tokens), "--prompt", "16", "--repeat", "1", "--no-limits", "--json"]
        alone = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{server.port}/completion", body, {"Content-Type": "application/json"}), timeout=600) as answer:
            times = [time.perf_counter() for line in answer if line.startswith(b"data: ")]
        # The last event brings the figures.
        rate = (len(times) - 2) / (times[-2] - times[0])
        if turn > 0:
            seen.append(rate)
            ratios.append(rate / alone["report"]["decode"][0]["tokens_s"]["median"])
    server.stop()
    print(f"one stream of {model}: {statistics.median(seen):.1f} tokens/s as the client sees it, {statistics.median(ratios):.3f} of `hob bench` (median of {rounds}, {min(ratios):.3f} to {max(ratios):.3f})")


def spread(values):
    values = sorted(values)
    return f"median {statistics.median(values):.2f} s, 99 % within {values[int((len(values) - 1) * 0.99)]:.2f} s"


async def streams(server, idle_count, clients, tokens):
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(idle_count)]
    started = time.perf_counter()
    answers = await asyncio.gather(*(ask(server.port, tokens) for _ in range(clients)))
    took = time.perf_counter() - started
    served = [answer for answer in answers if answer[0] == 200]
    check(all(answer[3] == 1 for answer in served), "a stream did not end exactly once")
    check(len(served) == clients, f"{clients - len(served)} of {clients} were turned away")
    print(f"{clients} streams beside {idle_count} idle connections: all ended in {took:.1f} s; first words {spread([a[1] for a in served if a[1]])}")
    for _, writer in idle:
        writer.close()


async def overload(server, clients, tokens):
    answers = await asyncio.gather(*(ask(server.port, tokens) for _ in range(clients)))
    served = [answer for answer in answers if answer[0] == 200]
    refused = [answer for answer in answers if answer[0] == 503]
    check(len(served) + len(refused) == clients, "an answer was neither given nor refused with 503")
    check(all(answer[3] == 1 for answer in served), "a stream did not end exactly once")
    check(all(answer[4] for answer in refused), "a refusal did not say when to come again")
    late = f"; refused within {max(a[2] for a in refused):.2f} s" if refused else ""
    print(f"{clients} at once: {len(served)} served, {len(refused)} refused with 503 and Retry-After{late}")


async def slow(server, clients):
    before = server.memory()
    silent = []
    for _ in range(clients):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2)
        writer.transport.pause_reading()
        writer.write(request(200))
        silent.append(writer)
    await asyncio.sleep(5)
    during = server.memory()
    started = time.perf_counter()
    server.get("/health")
    health = time.perf_counter() - started
    for writer in silent:
        writer.transport.abort()
    await settle(server)
    answer = await ask(server.port, 16)
    check(answer[0] == 200 and answer[3] == 1, "after slow readers nobody is served")
    print(f"{clients} readers that read nothing: {during - before:+.0f} MB while they hang, /health after {health * 1e3:.0f} ms, the next answer after {answer[2]:.2f} s")


async def hang_up(server, count):
    before, files = server.memory(), server.files()
    for start in range(0, count, 50):
        async def one(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request(400))
            if number % 3 == 0:
                # In the middle of the answer.
                await reader.readline()
            writer.transport.abort()
        await asyncio.gather(*(one(start + i) for i in range(min(50, count - start))), return_exceptions=True)
    took = await settle(server)
    check(server.files() <= files + 3, f"{server.files() - files} files stay open")
    answer = await ask(server.port, 16)
    check(answer[0] == 200 and answer[3] == 1, "after hang-ups nobody is served")
    print(f"{count} hang-ups: nothing runs {took:.1f} s later, {server.files() - files:+d} files, {server.memory() - before:+.0f} MB")


async def settle(server):
    """Waits until nothing runs."""
    started = time.perf_counter()
    while time.perf_counter() - started < 60:
        if server.metric("llamacpp:requests_processing") + server.metric("llamacpp:requests_deferred") == 0:
            return time.perf_counter() - started
        await asyncio.sleep(0.1)
    check(False, "a minute later something still runs")
    return 60.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hob", default="target/release/hob")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--hang-ups", type=int, default=10_000)
    parser.add_argument("--compare", metavar="MODEL", help="only the rate of one stream of this model, beside `hob bench`")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.compare:
        return compare(options.hob, options.compare, options.rounds, options.tokens)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    server = Server(options.hob)
    print(f"/health {server.ready_after * 1e3:.0f} ms after the start")
    asyncio.run(streams(server, options.idle, options.clients, options.tokens))
    asyncio.run(overload(server, 10 * options.clients, options.tokens))
    asyncio.run(slow(server, 500))
    asyncio.run(hang_up(server, options.hang_ups))
    server.stop()
    sys.exit(1 if FAULTS else 0)


if __name__ == "__main__":
    main()
