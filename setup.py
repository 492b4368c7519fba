"""The compiled modules of `_dicomwire` and the build profiles, nothing else.

The environment variable DICOMWIRE_BUILD picks the profile:

    release   (default) -O3, Cython's own index checks off; our length checks are always on
    debug     -O0 -g, Cython's index and None checks on, C assertions on
    trace     line tracing for coverage of .pyx and .pxd; C files beside the sources
    sanitize  address and undefined behaviour sanitizers
    perf      release with symbols and frame pointers, for profilers
    fuzz      clang: coverage counters and sanitizers for `make fuzz`, and the C harnesses of tests/fuzz

Everything else about the project is in pyproject.toml.
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# In the order of the floors inside the compiled package: a module cimports only from modules before it. One
# that is not listed is compiled after these; one that is listed and not there yet is left out.
MODULES = (
    "vr",
    "tagindex",
    "mapping",
    "naming",
    "source",
    "tape",
    "finding",
    "values",
    "swap",
    "edits",
    "block",
    "decode",
    "emitter",
    "encode",
    "overlay",
    "choice",
    "pickling",
    "fragments",
    "dataset",
    "part10",
    "plan",
    "splice",
    "events",
    "walker",
    "parser",
    "unpack",
    "rle",
    "colour",
    "raster",
    "reencode",
    "scan",
    "ranges",
    "pdu",
    "pdv",
    "command",
    "cstore",
    "collector",
    "identify",
    "writer",
    "intake",
    "deposit",
    "outlet",
    "capture",
    "ring",
    "fragmented",
    "sink",
    "connections",
    "reassembly",
    "streamcollector",
    "flow",
    "exchange",
    "jsonmodel",
    "xmlmodel",
    "fields",
    "order",
    "heading",
    "boundary",
    "passages",
    "record",
    "ending",
    "outcome",
    "transactions",
    "messages",
    "talk",
    "rehearsal",
    "segments",
)

PROFILE = os.environ.get("DICOMWIRE_BUILD", "release")
JOBS = 2

# What a directive changes about the meaning of the code is the same in every profile.
DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "embedsignature": False,
    "autotestdict": False,
    "cdivision": True,
    "wraparound": False,
    "boundscheck": False,
    "initializedcheck": False,
    "nonecheck": False,
}

CHECKS = {"boundscheck": True, "initializedcheck": True, "nonecheck": True}
HIDDEN = "-fvisibility=hidden"
# Python hands us its own -fwrapv, with which overflow of signed numbers is not looked for.
SANITIZERS = ["-fno-wrapv", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# The fuzzer and the sanitizers' run time come with a library that is loaded before the interpreter.  -fwrapv
# stays: without it clang takes offense at NULL + 0 as well, which is all that an empty buffer comes to.
FUZZER = ["-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize-recover=undefined"]

# profile: (directives on top, compiler arguments, linker arguments, macros)
PROFILES = {
    "release": ({}, ["-O3", "-g0", HIDDEN], [], []),
    "perf": ({}, ["-O3", "-g", "-fno-omit-frame-pointer", HIDDEN], [], []),
    "debug": (CHECKS, ["-O0", "-g", "-UNDEBUG", "-Wall", "-Wextra"], [], []),
    "trace": (
        {"linetrace": True},
        ["-O1", "-g0"],
        [],
        [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")],
    ),
    "sanitize": (
        CHECKS,
        ["-O1", "-g", "-UNDEBUG", "-fno-omit-frame-pointer", *SANITIZERS],
        SANITIZERS,
        [],
    ),
    "fuzz": (
        CHECKS,
        ["-O1", "-gline-tables-only", "-UNDEBUG", "-fno-omit-frame-pointer", "-Wno-unused-function", *FUZZER],
        FUZZER,
        [],
    ),
}

if PROFILE not in PROFILES:
    sys.exit(f"DICOMWIRE_BUILD={PROFILE!r}: expected one of {', '.join(PROFILES)}")

extra_directives, compile_args, link_args, macros = PROFILES[PROFILE]
if sys.platform == "win32":  # MSVC knows none of these arguments; its own defaults are those of a release
    compile_args, link_args = ["/O2"], []
if PROFILE == "fuzz":
    os.environ["CC"] = os.environ.get("DICOMWIRE_CLANG", "clang")

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)
CEXT = Path("cext")
SOURCES = CEXT / "_dicomwire"
KERNELS = Path("tests", "fuzz", "kernels.pyx")


class BuildExtensions(build_ext):
    """build_ext in parallel that starts over when the tree holds another profile's modules."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or JOBS

    def run(self) -> None:
        if not self.inplace:
            super().run()
            return
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        stamp = Path("build", f"inplace{suffix}.profile")
        if not stamp.exists() or stamp.read_text() != PROFILE:
            self.force = True
        super().run()
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(PROFILE)


def extensions() -> list[Extension]:
    """One Extension for each compiled module, in the order of MODULES."""
    present = {path.stem for path in SOURCES.glob("*.pyx")}
    names = [name for name in MODULES if name in present] + sorted(present.difference(MODULES))
    headers = sorted(str(path) for pattern in ("*.h", "*.pxd") for path in CEXT.rglob(pattern))
    sources = {f"_dicomwire.{name}": SOURCES / f"{name}.pyx" for name in names}
    if PROFILE == "fuzz":
        sources["_dicomwire_fuzz"] = KERNELS
    return [
        Extension(
            name,
            [str(source)],
            include_dirs=[str(CEXT / "include"), str(SOURCES)],
            depends=headers,
            define_macros=macros,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for name, source in sources.items()
    ]


Options.emit_code_comments = PROFILE != "release"

# Cython's worker processes import this file again on some platforms.
if __name__ == "__main__":
    setup(
        package_dir={"": "src", "_dicomwire": "cext/_dicomwire"},
        ext_modules=cythonize(
            extensions(),
            include_path=[str(CEXT)],
            # One Cython run serves every Python; coverage finds the C files only beside the sources.
            build_dir=None if PROFILE == "trace" else os.path.join("build", PROFILE, "c"),
            compiler_directives=DIRECTIVES | extra_directives,
            nthreads=JOBS,
            show_all_warnings=PROFILE == "debug",
        ),
        cmdclass={"build_ext": BuildExtensions},
        options={"build": {"build_base": os.path.join("build", PROFILE)}},
    )
