"""The build step that makes kernels, and the parser of queries, machine code; run as a script, it does so in the source
tree.

The compiler is that of the system or, where there is none, the one that comes with Zig.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

SOURCES = "ruler"
SCRATCH = "build/kernels"
ZIG = "ziglang>=0.15"
# Results are the same to the bit everywhere: no multiplication is fused with an addition.
FLAGS = ("-O3", "-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv", "-fvisibility=hidden", "-g0")
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
}


class KernelsHook(BuildHookInterface[Any]):
    """A KernelsHook compiles each kernel beside its source, and puts it into the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides what pyproject.toml says."""
        return [] if has_compiler() else [ZIG]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile before the wheel is put together."""
        compile_kernels(Path(self.root))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(f"{SOURCES}/**/*.so")


def has_compiler() -> bool:
    """Whether the compiler is there that the environment names, or the one that Python was built with."""
    named = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return shutil.which(named.split()[0]) is not None


def compile_kernels(root: Path) -> None:
    """Compile each kernel whose source has changed since."""
    if not has_compiler() and importlib.util.find_spec("ziglang"):
        os.environ["CC"] = f"{sys.executable} -m ziglang cc"
        os.environ["LDSHARED"] = f"{sys.executable} -m ziglang cc -shared"
    os.chdir(root)
    extensions = [
        Extension(".".join(source.with_suffix("").parts), [str(source)], extra_compile_args=list(FLAGS))
        for source in sorted(Path(SOURCES).rglob("*.pyx"))
    ]
    modules = cythonize(extensions, build_dir=SCRATCH, compiler_directives=DIRECTIVES, quiet=True)
    command = Distribution({"name": "tocsin", "ext_modules": modules}).get_command_obj("build_ext")
    command.inplace, command.build_temp, command.parallel = True, SCRATCH, os.cpu_count()
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    compile_kernels(Path(__file__).parent)
