"""All code patterns."""

from code_patterns import PATTERNS
from language_patterns import LANGUAGE

ALL = [*PATTERNS, *LANGUAGE]
