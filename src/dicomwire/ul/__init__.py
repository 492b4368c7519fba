"""The Upper Layer without sockets: PDUs, negotiation, the state of one association (PS3.8, PS3.7 Annex D)."""
