"""Read by mypy and never run: every line with a comment must be an error of that kind (see test_public_api.py)."""

import dicomwire

ds = dicomwire.dcmread("a.dcm")
print(ds.PatientNmae)  # attr-defined
ds.PatientNmae = "x"  # attr-defined
ds["PatientID"].VR = "x"  # misc
ds[1.5] = "x"  # index
dicomwire.DataElement("PatientID")  # call-arg
ds.save_as("a.dcm", overwriting=True)  # call-arg
ds.RequestAttributesSequence.append("x")  # arg-type
ds[1.5]  # call-overload
dicomwire.dcmread("a.dcm", True)  # call-arg
dicomwire.dcmread("a.dcm", deferred=1)  # call-arg
print(ds.file_meta.TransferSyntaxUID.nonsense)  # attr-defined


class Mine(dicomwire.DataSet):  # misc
    pass
