"""The one door to ONNX Runtime: graphs on the CPU, and nobody told of it.

Since version 1.29 the official builds keep an identifier in the user's home and send events about every model to Microsoft, unless
an environment variable says no before the library is loaded. Films of patients are no place for that.
Source: https://github.com/microsoft/onnxruntime/pull/27379
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library is loaded; so it is loaded below alone
_ERRORS_ALONE = 3  # what it warns of, such as a constant folded, is nothing to a user


def onnx_session(model: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """A graph, ready to run on the CPU. threads: for one call; as many as there are cores where 0.

    Raises whatever ONNX Runtime does for what is no graph; its errors share no class but Exception.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # on Windows, which does not heed the variable
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ALONE
    # without a second try, which could only fail as the first did, and of which it prints
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
