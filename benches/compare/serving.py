"""Compares the worker's endpoint with FastAPI's and AWS's handler: `serving.py WORKER PYTHON PEERS FOLDER [ROUNDS]`.

WORKER is opsml-worker, PYTHON one with PyTorch and torchvision, PEERS the folder of `scripts/python-env.sh bench`, FOLDER a dataset
with train/, valid/ and test/. One client and eight send photographs one after the other, for some seconds to each endpoint, in turns.
It prints the medians of the rounds, and how many times as many requests opsml answers, with the range of the rounds' ratios.
"""
import statistics
import sys
import threading
import time

from endpoints import at, post, running

SECONDS = 6


def load(endpoint, clients, seconds, images):
    """Returns the sorted times of all requests that so many clients send one after the other, and the requests in a second."""
    times, began = [], time.monotonic()

    def client(number):
        connection, turn = endpoint.connect(), number
        while time.monotonic() < began + seconds:
            sent = time.monotonic()
            post(connection, images[turn % len(images)])
            times.append(time.monotonic() - sent)
            turn += clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times), len(times) / (time.monotonic() - began)


def main(worker, python, peers, folder, rounds=3):
    with running(worker, python, peers, folder) as (endpoints, images):
        print("| clients | server | requests/s | p50 | p99 | memory | opsml's ratio | range | goal |\n" + "| --- " * 9 + "|")
        for clients in (1, 8):
            for endpoint in endpoints:
                load(endpoint, clients, 2, images)
            found = [[load(endpoint, clients, SECONDS, images) for endpoint in endpoints] for _ in range(int(rounds))]
            for place, endpoint in enumerate(endpoints):
                median = lambda part: statistics.median(at(turn[place][0], part) for turn in found)
                rates = [turn[place][1] for turn in found]
                ratios = [turn[0][1] / turn[place][1] for turn in found]
                compared = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} | ≥ 3" if place else " | | "
                print(f"| {clients} | {endpoint.name} | {statistics.median(rates):.1f} | {median(0.5):.0f} ms | {median(0.99):.0f} ms | "
                      f"{endpoint.memory():.0f} MB | {compared} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
