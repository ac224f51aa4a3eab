"""Files that numpy wrote, from a stranger."""

import struct
import tokenize
import zipfile
import zlib

# What zipfile and numpy raise on damaged files; RuntimeError: encrypted, or a method zipfile lacks; SyntaxError and TokenError:
# the header of an array is a literal of Python.
DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, AttributeError, TypeError,
          LookupError, ArithmeticError, MemoryError, RuntimeError, SyntaxError, tokenize.TokenError)  # fmt: skip
