"""For tests of pipelinekit and of what stands on it.

Twins of every port in memory, a clock that is turned by hand, and the contract suites that twins and implementations
both pass.
"""
