"""Acceptors that say what a test has written for them."""

import socket
import threading
from contextlib import contextmanager

from dicomwire import ul


def read_pdu(connection):
    head = connection.recv(6, socket.MSG_WAITALL)
    return head and head + connection.recv(int.from_bytes(head[2:], "big"), socket.MSG_WAITALL)


@contextmanager
def peer(*answers):
    """Port of an acceptor that sends these answers, one for each PDU, and closes; and the PDUs that it got."""
    got = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                for answer in answers:
                    got.append(read_pdu(connection))
                    connection.sendall(answer(got[-1]) if callable(answer) else answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(10)


def accept(request):
    request = ul.AAssociateRQ.decode(request)
    results = tuple(
        ul.ContextResult(context.context_id, ul.ContextResultReason.ACCEPTANCE, context.transfer_syntaxes[0])
        for context in request.presentation_contexts
    )
    return ul.AAssociateAC.answering(request, results, ul.UserInformation((ul.MaximumLength(0),))).encode()


def refuse(request):
    request = ul.AAssociateRQ.decode(request)
    results = (ul.ContextResult(1, ul.ContextResultReason.ABSTRACT_SYNTAX_NOT_SUPPORTED),)
    return ul.AAssociateAC.answering(request, results, request.user_information).encode()


def element(number, value):
    return bytes((0, 0)) + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value
