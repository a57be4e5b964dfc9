"""Sends requests at fixed times, whatever the endpoint does: `open_loop.py WORKER PYTHON PEERS FOLDER [ROUNDS]`.

The arguments are those of `serving.py`. A client that waits for an answer before it sends again slows down with the endpoint, and
so hides what users would wait. Here the times of sending are drawn beforehand (exponential gaps), the same for every endpoint, and a
latency counts from the time at which its request was due. The rates rise until an endpoint's p99 is over the limit or a request
has failed. It prints the medians of the rounds with p99's range, and which rate each endpoint has held.
"""
import random
import statistics
import sys
import threading
import time

from endpoints import NAMES, at, post, running

RATES = (10, 20, 30, 40, 60, 80, 100, 120)
SECONDS = 8
# Milliseconds of p99 that a rate may have to count as held.
LIMIT = 200
# Seconds after which a request has failed.
PATIENCE = 5
# The most requests under way: what more waits, waits at the client, and its latency grows all the same.
SENDERS = 64
GOAL = 3


def offered(endpoint, rate, seed, images):
    """Returns the sorted latencies of the requests that were answered, and the part of all that was not."""
    chance, due, moment = random.Random(seed), [], 0.0
    while moment < SECONDS:
        due.append(moment)
        moment += chance.expovariate(rate)
    latencies, failed, turns, began = [], [], iter(enumerate(due)), time.monotonic() + 0.1
    taking = threading.Lock()

    def sender():
        connection = endpoint.connect(PATIENCE)
        while True:
            with taking:
                number, moment = next(turns, (None, None))
            if number is None:
                return
            time.sleep(max(0, began + moment - time.monotonic()))
            try:
                if time.monotonic() - began - moment > PATIENCE:
                    raise TimeoutError
                post(connection, images[number % len(images)])
                latencies.append(time.monotonic() - began - moment)
            except OSError:
                failed.append(number)
                connection.close()

    threads = [threading.Thread(target=sender) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(latencies) or [float("inf")], len(failed) / len(due)


def main(worker, python, peers, folder, rounds=3):
    held = dict.fromkeys(NAMES, 0)
    with running(worker, python, peers, folder) as (endpoints, images):
        for endpoint in endpoints:
            offered(endpoint, RATES[0], 0, images)
        print("| requests/s | server | p50 | p99 | range of p99 | failed | memory |\n" + "| --- " * 7 + "|")
        for rate in RATES:
            found = [[offered(endpoint, rate, seed, images) for endpoint in endpoints] for seed in range(1, int(rounds) + 1)]
            still = []
            for place, endpoint in enumerate(endpoints):
                times, failures = zip(*(turn[place] for turn in found))
                p99 = [at(some, 0.99) for some in times]
                print(f"| {rate} | {endpoint.name} | {statistics.median(at(some, 0.5) for some in times):.0f} ms | "
                      f"{statistics.median(p99):.0f} ms | {min(p99):.0f} to {max(p99):.0f} ms | {100 * statistics.mean(failures):.1f} % | "
                      f"{endpoint.memory():.0f} MB |", flush=True)
                if statistics.median(p99) <= LIMIT and not any(failures):
                    held[endpoint.name] = rate
                    still.append(endpoint)
            endpoints = still
    print(f"\n| p99 within {LIMIT} ms | requests/s | opsml's ratio | goal |\n| --- | --- | --- | --- |")
    for name, rate in held.items():
        compared = f"{held[NAMES[0]] / rate:.1f} | ≥ {GOAL}" if name != NAMES[0] and rate else " | "
        print(f"| {name} | {rate} | {compared} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
