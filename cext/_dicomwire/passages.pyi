"""Packets that carried a message.  Compiled code alone uses them."""
