"""What the steps of every tool do. Executions are counted: each appends a byte to the file named by BENCH_MARKS."""

import os
import sys


def mark():
    if path := os.environ.get("BENCH_MARKS"):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(handle, b"x")
        os.close(handle)


def source():
    mark()
    return 1


def leaf(first, number, extra):
    mark()
    return first + number + extra


def join(values):
    mark()
    return sum(values)


def increment(value):
    mark()
    return value + 1


def extras(count, change):
    """The input of each leaf that is its own; a change changes exactly one."""
    values = [0] * count
    values[count // 2] = change
    return values


def check(workload, count, change, answer):
    """End with an error when a tool gave a wrong answer."""
    wanted = count + 1 if workload == "chain" else count + sum(range(count)) + change
    if answer != wanted:
        raise SystemExit(f"wrong answer: {answer!r} instead of {wanted!r}")


def arguments():
    """What the command line says: workload, count, change, and a folder for the tool's state."""
    workload, count, change, state = sys.argv[1:5]
    return workload, int(count), int(change), state


def write_lines(count, text):
    """Lines of 80 characters on standard output; a hundredth of them with this text."""
    plain, other = f"{'a line of a log of a step that says what it does ':.<79}", f"with {text} {'':.<79}"[:79]
    for number in range(count):
        print(plain if number % 100 else other)
