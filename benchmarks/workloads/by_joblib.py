"""joblib.Memory: calls in this process, one by one; results are pickled to files, by a key of their arguments."""

import bodies
import joblib

workload, count, change, state = bodies.arguments()
memory = joblib.Memory(f"{state}/cache", verbose=0)
if workload == "chain":
    increment = memory.cache(bodies.increment)
    answer = 1
    for _ in range(count):
        answer = increment(answer)
else:
    source, leaf, join = memory.cache(bodies.source), memory.cache(bodies.leaf), memory.cache(bodies.join)
    first = source()
    answer = join([leaf(first, i, x) for i, x in enumerate(bodies.extras(count, change))])
bodies.check(workload, count, change, answer)
