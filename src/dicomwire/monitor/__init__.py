"""Passive observation of DICOM and HL7 traffic: records of associations, transactions and HL7 exchanges."""
