"""Takes as long as a small network on an accelerator: 5 ms a batch and 0.2 ms an input, and no processor meanwhile."""

import time

A_BATCH, AN_INPUT = 0.005, 0.0002


def predict(inputs):
    time.sleep(A_BATCH + AN_INPUT * len(inputs))
    return list(inputs)
