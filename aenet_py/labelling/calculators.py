"""What an argument `calculator` means: a specification of an ASE calculator, or such a calculator itself.

"tblite:method=GFN1-xTB", calculator.toml ─specification─> CalculatorSpec ─new─> a calculator of ASE
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aenet_py.errors import AenetError, InputError, in_a_line
from aenet_py.interfaces.source import Source, source_of
from aenet_py.potentials.members import checksum

EXTERNAL = "external"  # no calculator: labels are computed elsewhere, and collected
OTHERS = {  # beside those that ASE knows by name
    "tblite": "tblite.ase:TBLite",
    "xtb": "xtb.ase.calculator:XTB",
    "mace": "mace.calculators:MACECalculator",
    "mace_mp": "mace.calculators:mace_mp",
    "mace_off": "mace.calculators:mace_off",
    "mattersim": "mattersim.forcefield:MatterSimCalculator",
    "sevenn": "sevenn.calculator:SevenNetCalculator",
    "nep": "calorine.calculators:CPUNEP",
    "chgnet": "chgnet.model.dynamics:CHGNetCalculator",
}
PACKAGES = {"nep": "calorine", "mace": "mace-torch", "xtb": "xtb", "asap3": "asap3"}  # names for pip, if others
# Packages of calculators that take long to build and remember nothing of other structures.
REUSED = ("mace", "sevenn", "mattersim", "calorine", "chgnet")
DEFAULTS = {"tblite": {"verbosity": 0}}
ANY_OPTION = ("ase.calculators.eam",)  # modules of calculators that do not list all their options
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class CalculatorSpec:
    """A calculator by name, which other processes can build.

    Parameters
    ----------
    name
        As ASE calls it (``"emt"``, ``"vasp"``), one of ``"tblite"``, ``"mace"``, ``"sevenn"``, ``"nep"``, ...,
        ``"package.module:Class"`` of any class or function that makes a calculator, or ``"external"`` for labels that
        are computed elsewhere.
    options
        Keyword arguments of the class.
    reuse
        Whether a process builds one calculator for all structures, which is quicker, and right if its results do not
        depend on the structures before.  By default only for machine-learned potentials whose models take long to load.

    Examples
    --------
    >>> from aenet_py import CalculatorSpec
    >>> spec = CalculatorSpec("tblite", {"method": "GFN1-xTB", "electronic_temperature": 600})
    >>> spec.text
    'tblite:electronic_temperature=600,method="GFN1-xTB"'
    >>> CalculatorSpec("emt").new().name
    'emt'
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    reuse: bool | None = None

    @property
    def text(self) -> str:
        """Name and sorted options in a line."""
        options = [f"{name}={json.dumps(value, default=_shown)}" for name, value in sorted(self.options.items())]
        return self.name + (":" + ",".join(options) if options else "")

    @property
    def reused(self) -> bool:
        """Whether one calculator may label several structures."""
        return self.place.split(".")[0] in REUSED if self.reuse is None else self.reuse

    @property
    def place(self) -> str:
        """Module and class, as ``module:Class``, or ASE's name."""
        return OTHERS.get(self.name, self.name)

    def check(self) -> None:
        """AenetError if there is no such calculator, its package is missing, or it has no such option."""
        if self.name != EXTERNAL:
            _check_options(self, self._made_by())

    def new(self) -> Any:
        """Build the calculator.  AenetError if that is not possible."""
        make = self._made_by()
        options = {**DEFAULTS.get(self.name, {}), **self.options}
        return _built(lambda: make(**_arguments(make, options)), f"calculator {self.text}", "cannot be built")

    @property
    def is_file_based(self) -> bool:
        """Whether a program of its own, which reads and writes files, does the calculation."""
        return self.name != EXTERNAL and _is_file_based(self._made_by())

    @property
    def starts_programs(self) -> bool:
        """Whether calculations are done by other programs, which may be parallel themselves."""
        if self.name == EXTERNAL:
            return False
        make = self._made_by()
        return _is_file_based(make) or any("command" in name for name in _parameters(make))

    def for_inputs(self) -> CalculatorSpec:
        """The same for writing input files only, which requires no command."""
        from ase.calculators.calculator import FileIOCalculator
        from ase.calculators.genericfileio import GenericFileIOCalculator

        make = self._made_by()
        needed = isinstance(make, type) and issubclass(make, FileIOCalculator | GenericFileIOCalculator)
        return replace(self, options={"command": "none", **self.options}) if needed else self

    def _made_by(self) -> Callable[..., Any]:
        """The class or function."""
        module, colon, name = self.place.partition(":")
        try:
            if not colon:
                return _of_ase(self.name)
            found = importlib.import_module(module)
        except ImportError as error:
            missing = error.name or module
            package = missing.split(".")[0]
            if isinstance(error, ModuleNotFoundError) and package != "aenet_py" and _is_missing(package):
                package = PACKAGES.get(self.name, PACKAGES.get(package, package))
                raise AenetError(f"calculator {self.name}: requires {missing}; install {package}") from None
            raise AenetError(f"calculator {self.name}: cannot be imported: {in_a_line(error)}") from None
        except AenetError:
            raise
        except Exception as error:  # of other people's modules
            raise AenetError(f"calculator {self.name}: cannot be imported: {in_a_line(error)}") from None
        make = getattr(found, name, None)
        if not callable(make):
            near = difflib.get_close_matches(name, [each for each in vars(found) if each[0].isupper()], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AenetError(f"calculator {self.name}: {module} has no class or function {name!r}{hint}")
        return make


@dataclass(frozen=True)
class Given:
    """A calculator that the caller made, or a function that makes calculators.

    Parameters
    ----------
    source
        Copies of a calculator; None for a function.
    make
        The function.
    """

    source: Source | None
    make: Callable[[], Any] | None = None

    @property
    def text(self) -> str:
        """Class and parameters in a line, or the function."""
        if self.source is None:
            made_by: Any = self.make if hasattr(self.make, "__qualname__") else type(self.make)
            return f"{made_by.__module__}.{made_by.__qualname__}()"
        if self.source.potentials:
            return f"{self.source.name} {checksum(self.source.potentials)}"
        parameters = getattr(self.source.other, "parameters", None)
        shown = json.dumps(dict(parameters), default=_shown, sort_keys=True) if parameters else ""
        return f"{self.source.name} {shown}".rstrip()

    @property
    def reused(self) -> bool:
        """Whether one calculator may label several structures."""
        return self.source is not None and self.source.name.split(".")[0] in REUSED

    def new(self) -> Any:
        """A calculator that remembers nothing of other structures."""
        if self.source is not None:
            return self.source.new()
        assert self.make is not None
        return _built(self.make, self.text, "cannot build a calculator")


def _built(make: Callable[[], Any], name: str, failure: str) -> Any:
    """What a function makes; AenetError, with its name, if it raises something or makes no calculator."""
    try:
        found = make()
    except Exception as error:  # whatever foreign code raises
        raise AenetError(f"{name}: {failure}: {in_a_line(error)}") from None
    if not hasattr(found, "get_potential_energy"):
        raise AenetError(f"{name}: makes a {type(found).__name__}, not a calculator of ASE")
    return found


def calculators_of(given: Any) -> CalculatorSpec | Given:
    """Where calculators come from.

    Parameters
    ----------
    given
        ``"NAME"`` or ``"NAME:OPTION=VALUE,..."``, the path of a ``.toml`` file, a `CalculatorSpec`, a calculator of
        ASE, or a function without arguments that makes one.

    Returns
    -------
    CalculatorSpec or Given

    Raises
    ------
    AenetError
        For anything else, and if a specification names no calculator, one whose package is missing, or an option that
        it does not have.
    """
    if isinstance(given, str | os.PathLike):
        given = specification(os.fspath(given))
    if isinstance(given, Given):
        return given
    if isinstance(given, CalculatorSpec):
        given.check()
        return given
    if type(given).__module__ == "tblite.ase":  # which cannot be copied once it has calculated; `parameters` are all
        defaults = given.default_parameters
        return CalculatorSpec("tblite", {k: v for k, v in given.parameters.items() if v != defaults.get(k)})
    if hasattr(given, "get_potential_energy") and not isinstance(given, type):
        return Given(source_of(given))
    if callable(given):
        return Given(None, given)
    what = "a name with options, a .toml file, a CalculatorSpec, a calculator of ASE, or a function that makes one"
    raise AenetError(f"calculator must be {what}, not {type(given).__name__}")


def specification(text: str) -> CalculatorSpec:
    """Read a specification: a ``.toml`` file, or ``NAME:OPTION=VALUE,OPTION=VALUE,...``.

    Values are those of JSON (numbers, ``true``, ``[1, 1, 1]``, ``{"a": 1}``) or Python's True, False and None; all
    others are strings.
    """
    if text.endswith(".toml"):
        return _from_toml(text)
    if text.endswith((".yaml", ".yml")):
        raise AenetError(f'{text}: YAML is not read; expected TOML, with calculator = "NAME" and a table [options]')
    parts = _split(text, ":")
    named = len(parts) > 1 and parts[0].strip() not in _names()
    module_and_class = named and _WORD.fullmatch(parts[1].strip()) is not None
    n_name = 2 if module_and_class else 1
    name, rest = ":".join(parts[:n_name]).strip(), ":".join(parts[n_name:])
    if not name:
        raise AenetError(f"calculator {text!r}: expected NAME or NAME:OPTION=VALUE,...")
    options: dict[str, Any] = {}
    for item in _split(rest, ",") if rest.strip() else ():
        option, equals, value = item.partition("=")
        option = option.strip()
        if not equals or not _WORD.fullmatch(option) or option in options:
            raise AenetError(f"calculator {text!r}: found {item.strip()!r}; expected OPTION=VALUE, each option once")
        options[option] = _value(value.strip())
    return CalculatorSpec(name, options)


def _from_toml(path: str) -> CalculatorSpec:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected a calculator") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"not TOML: {in_a_line(error)}") from None
    known = {"calculator": str, "options": dict, "reuse": bool}
    for key, value in content.items():
        if key not in known:
            raise InputError(path, f"found {key!r}; expected calculator, reuse and the table [options]")
        if not isinstance(value, known[key]):
            kind = {"calculator": "a name", "options": "a table", "reuse": "true or false"}[key]
            raise InputError(path, f"found {key} = {value!r}; expected {kind}")
    if not content.get("calculator"):
        raise InputError(path, 'no calculator found; expected calculator = "NAME"')
    return CalculatorSpec(content["calculator"], content.get("options", {}), content.get("reuse"))


def _split(text: str, sign: str) -> list[str]:
    """Split at a sign outside brackets and quotes."""
    parts, depth, quote, escaped = [""], 0, "", False
    for letter in text:
        if quote:
            quote = "" if letter == quote and not escaped else quote
            escaped = letter == "\\" and not escaped
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in ")}]":
            depth -= 1
        elif letter == sign and depth <= 0:
            parts.append("")
            continue
        parts[-1] += letter
    return parts


def _value(text: str) -> Any:
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    try:
        return json.loads(text)
    except ValueError:
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text


def _shown(value: Any) -> Any:
    """A value that JSON does not have: arrays as lists, objects by their class."""
    return value.tolist() if hasattr(value, "tolist") else f"<{type(value).__module__}.{type(value).__qualname__}>"


def _names() -> set[str]:
    """Of calculators, beside those of modules."""
    from ase.calculators.calculator import external_calculators, names

    return {*names, *external_calculators, *OTHERS, EXTERNAL}


def _of_ase(name: str) -> Callable[..., Any]:
    """The class that ASE knows by a name."""
    from ase.calculators.calculator import get_calculator_class

    if name not in _names():
        near = difflib.get_close_matches(name.lower(), sorted(_names()), n=1)
        hint = f"did you mean {near[0]}?" if near else "give a name that ASE knows, or MODULE:CLASS"
        raise AenetError(f"unknown calculator {name!r}; {hint}")
    return get_calculator_class(name)


def _is_missing(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is None
    except (ImportError, ValueError):
        return True


def _is_file_based(make: Callable[..., Any]) -> bool:
    return hasattr(make, "write_input") or hasattr(make, "write_inputfiles")


def _arguments(make: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments: those of a profile, where ASE wants the command and its settings in one, become such."""
    from ase.calculators.genericfileio import BaseProfile, GenericFileIOCalculator

    left = dict(options)
    if "command" not in left or not (isinstance(make, type) and issubclass(make, GenericFileIOCalculator)):
        return left
    kinds = [each for each in vars(sys.modules[make.__module__]).values() if isinstance(each, type)]
    profile = next(each for each in kinds if issubclass(each, BaseProfile) and each is not BaseProfile)
    names = [name for name in _parameters(profile) if name in left]
    return {"profile": profile(**{name: left.pop(name) for name in names}), **left}


def _parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Of a class or function; none if it is compiled."""
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}


def _check_options(spec: CalculatorSpec, make: Callable[..., Any]) -> None:
    """AenetError for an option that a calculator does not have, as far as it tells."""
    parameters = _parameters(make).values()
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    listed = list(getattr(make, "default_parameters", {}))
    any_other = not parameters or any(each.kind is each.VAR_KEYWORD for each in parameters)
    if any_other and (not listed or _is_file_based(make) or make.__module__ in ANY_OPTION):
        return
    known = [*named, *listed]
    for option in spec.options:
        if option not in known and not (spec.place == OTHERS["tblite"] and option.endswith("_solvation")):
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known) or 'none'}"
            raise AenetError(f"calculator {spec.name}: unknown option {option!r}{hint}")
