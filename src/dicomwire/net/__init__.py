"""DICOM over TCP and TLS on asyncio: application entities that ask and application entities that answer (PS3.7, PS3.8).

`dicomwire.net.blocking` has the same for scripts that know nothing of asyncio.
"""
