"""Read by mypy and never run: every line with a comment must be an error of that kind (see test_public_api.py)."""

import dicomwire

ds = dicomwire.dcmread("a.dcm")
print(ds.PatientNmae)  # attr-defined
ds.PatientID = "x"  # misc
ds["PatientID"].value = "x"  # misc
ds["PatientID"] = "x"  # index
ds[1.5]  # index
dicomwire.dcmread("a.dcm", True)  # call-arg
dicomwire.dcmread("a.dcm", defer_size=1)  # call-arg
print(ds.file_meta.TransferSyntaxUID.nonsense)  # attr-defined


class Mine(dicomwire.DataSet):  # misc
    pass
