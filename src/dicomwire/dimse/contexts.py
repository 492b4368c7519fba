"""Which commands a presentation context carries: the negotiated abstract syntax and the command's SOP class.

The two are nearly always the same.  They differ for Meta SOP Classes, whose members the commands name, and for the
SOP classes that work on the instances of another one (PS3.7 section 10, PS3.4 sections CC.3.1 and H.3.2.2).
"""

from __future__ import annotations

_ROOT = "1.2.840.10008."
_PUSH = "5.1.4.34.6.1"

# Abstract syntax: SOP classes of commands besides its own.
_MEMBERS: dict[str, frozenset[str]] = {
    _ROOT + abstract_syntax: frozenset(_ROOT + member for member in members.split())
    for abstract_syntax, members in {
        # Unified Procedure Step Watch, Pull, Event, Query: every step is an instance of UPS Push (PS3.4 CC.3.1)
        "5.1.4.34.6.2": _PUSH,
        "5.1.4.34.6.3": _PUSH,
        "5.1.4.34.6.4": _PUSH,
        "5.1.4.34.6.5": _PUSH,
        # Print management: film session, film box, image box, printer (PS3.4 H.3.2.2)
        "5.1.1.9": "5.1.1.1 5.1.1.2 5.1.1.4 5.1.1.16",
        "5.1.1.18": "5.1.1.1 5.1.1.2 5.1.1.4.1 5.1.1.16",
        # The same with referenced images, retired
        "5.1.1.9.1": "5.1.1.1 5.1.1.2 5.1.1.4.2 5.1.1.16",
        "5.1.1.18.1": "5.1.1.1 5.1.1.2 5.1.1.4.2 5.1.1.16",
        # Pull stored print: the request and the printer, retired
        "5.1.1.32": "5.1.1.31 5.1.1.16",
        # General purpose worklist: query, scheduled step, performed step, retired
        "5.1.4.32": "5.1.4.32.1 5.1.4.32.2 5.1.4.32.3",
        # Detached patient: patient and visit; results: results and interpretation, retired
        "3.1.2.1.4": "3.1.2.1.1 3.1.2.2.1",
        "3.1.2.5.4": "3.1.2.5.1 3.1.2.6.1",
    }.items()
}


def allowed_on(abstract_syntax: str, sop_class_uid: str) -> bool:
    """Whether a command on this SOP class may be sent in a presentation context of this abstract syntax."""
    return abstract_syntax == sop_class_uid or sop_class_uid in _MEMBERS.get(abstract_syntax, ())


def abstract_syntaxes_of(sop_class_uid: str) -> tuple[str, ...]:
    """The abstract syntaxes whose contexts carry commands on this SOP class, its own first."""
    return (sop_class_uid, *(uid for uid, members in _MEMBERS.items() if sop_class_uid in members))
