"""The numbers and words of the protocol, as the runner speaks it. `workers/protocol.py` explains them."""

import struct

VERSION = 1

HELLO = 1
READY = 2
LOAD_FAILED = 3
RESULTS = 4
EVENT = 5
START = 17
RUN = 18
CANCEL = 19
EXIT = 20

HEADER = struct.Struct("<IIIId")

PREDICT_ERROR = "predict_error"
INVALID_INPUT = "invalid_input"
INVALID_OUTPUT = "invalid_output"
OUT_OF_MEMORY = "out_of_memory"
