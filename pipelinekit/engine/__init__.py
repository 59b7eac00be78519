"""Verbs: what pipelinekit decides.

Pure: no clock, no file system, no threads, no logging; they arrive as events and arguments.
"""
