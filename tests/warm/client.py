"""Stands for one job of `server.py`: passes on signals, and ends as the job ends.

    python -I -S client.py PYTHON ADDRESS ARGUMENT...

It imports little, as it is started for every job. Where the server takes no such job, this process
becomes PYTHON with the arguments.
"""

import json
import os
import signal
import socket
import struct
import sys

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
REFUSED = 1000


def main() -> None:
    python, address, *arguments = sys.argv[1:]
    code = _run(address, arguments)
    if code == REFUSED:
        os.execv(python, [python, *arguments])
    if code < 0:
        if -code in PASSED_ON:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _run(address: str, arguments: list[str]) -> int:
    """The job's exit code, less than 0 for a signal."""
    order = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    text = json.dumps(order).encode()
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(address)
        except OSError as error:
            sys.exit(f"the server of this job is gone: {error}")
        for number in PASSED_ON:
            signal.signal(number, lambda number, _frame: server.sendall(bytes([number])))
        socket.send_fds(server, [struct.pack("!I", len(text))], [0, 1, 2])
        server.sendall(text)
        answer = server.recv(4, socket.MSG_WAITALL)
    if len(answer) < 4:
        sys.exit("the server of this job is gone")
    code: int = struct.unpack("!i", answer)[0]
    if code == REFUSED:
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
    return code


if __name__ == "__main__":
    main()
