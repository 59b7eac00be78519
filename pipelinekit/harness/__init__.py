"""Inside the step's process: read inputs, call the step, store outputs, report digests.

`process` is the loop of a warm process, `execute` runs one attempt of a Python step, `scripts` one of a script or
command. At import it loads the standard library, xxhash and what lies below it only.
"""
