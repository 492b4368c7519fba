/* ASCII text as an instance of a subclass of str.
 *
 * The interpreter makes one from arguments: a tuple, a str that is dropped again, a copy of it.  A header has thirty
 * UIDs, and this takes a quarter of the time.  It fills in what unicode_subtype_new() does, from the structs of the
 * full C API; where their layout is not known to be this one, the call is made. */
#ifndef DICOMWIRE_SUBTEXT_H
#define DICOMWIRE_SUBTEXT_H

#include <Python.h>
#include <string.h>

#if !defined(Py_LIMITED_API) && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION) && !defined(GRAALVM_PYTHON) && \
    PY_VERSION_HEX < 0x030F0000
#define DW_KNOWN_LAYOUT 1
#endif

/* A new `kind`, a subclass of str without fields or a __new__ of its own, of n bytes that are all below 0x80. */
static PyObject *dw_subtext(PyObject *kind, const void *bytes, Py_ssize_t n) {
    PyTypeObject *const type = (PyTypeObject *)kind;
#ifdef DW_KNOWN_LAYOUT
    if (type != &PyUnicode_Type) {
        PyObject *self = type->tp_alloc(type, 0);
        char *data;
        if (self == NULL) return NULL;
        data = (char *)PyObject_Malloc((size_t)n + 1);
        if (data == NULL) {
            Py_DECREF(self);
            return PyErr_NoMemory();
        }
        memcpy(data, bytes, (size_t)n);
        data[n] = 0;
        ((PyASCIIObject *)self)->length = n;
        ((PyASCIIObject *)self)->hash = -1;
        ((PyASCIIObject *)self)->state.kind = PyUnicode_1BYTE_KIND;
        ((PyASCIIObject *)self)->state.ascii = 1;
#if PY_VERSION_HEX < 0x030C0000
        ((PyASCIIObject *)self)->state.ready = 1;
#endif
        ((PyCompactUnicodeObject *)self)->utf8 = data;
        ((PyCompactUnicodeObject *)self)->utf8_length = n;
        ((PyUnicodeObject *)self)->data.any = data;
        return self;
    }
#endif
    {
        PyObject *self = NULL, *text = PyUnicode_DecodeASCII((const char *)bytes, n, NULL);
        PyObject *arguments = text == NULL ? NULL : PyTuple_Pack(1, text);
        if (arguments != NULL) self = type->tp_new(type, arguments, NULL);
        Py_XDECREF(arguments);
        Py_XDECREF(text);
        return self;
    }
}

#endif
