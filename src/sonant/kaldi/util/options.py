"""Options by Kaldi's names: on command lines, in configuration files, and as attributes.

The syntax is that of Kaldi's `util/parse-options`: `--name=value`, `--flag` for a boolean, dashes and
underscores alike, `--` before arguments that look like options, `--config=file` with one option a line and
`#` before a comment.
"""

import dataclasses
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, dataclass_transform

import numpy as np

from sonant.errors import OptionError

_TRUE, _FALSE = ("true", "t", "1", ""), ("false", "f", "0")
_NAMES = {bool: "bool", int: "int", float: "float", str: "string"}


def option(default: Any, name: str, doc: str, *, unsigned: bool = False) -> Any:
    """A field of an Options class: `name` is Kaldi's on the command line, `doc` what --help says."""
    return field(default=default, metadata=dict(name=name, doc=doc, unsigned=unsigned))


@dataclass_transform(field_specifiers=(field,))
class Options:
    """Base of Kaldi's options classes: attributes that are checked as they are set, and can be registered.

    A subclass lists its fields with `option(default, "kaldi-name", "doc")`; a field that is itself an Options
    class (`field(default_factory=MelBanksOptions)`) is registered with it, after a prefix where its metadata
    has one (`metadata={"prefix": "rule1"}`). Like PyKaldi's, such an object is
    mutable and knows no other attributes.
    """

    def __init_subclass__(cls, **arguments: Any):
        super().__init_subclass__(**arguments)
        dataclass(eq=True)(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        declared = type(self).__dataclass_fields__.get(name)  # type: ignore[attr-defined]
        if declared is None:
            raise AttributeError(
                f"{type(self).__name__} has no option '{name}'; it has {', '.join(self.__dataclass_fields__)}"  # type: ignore[attr-defined]
            )
        if "name" in declared.metadata:
            value = _checked(
                value, type(declared.default), f"{type(self).__name__}.{name}", declared.metadata
            )
        object.__setattr__(self, name, value)

    def register(self, opts: "ParseOptions | PrefixedOptions") -> None:
        """Lets a parser fill this object: `opts.parse_args()` then sets its attributes."""
        for declared in dataclasses.fields(self):  # type: ignore[arg-type]
            if "name" in declared.metadata:
                opts._add(_Registered.of_field(self, declared))
            elif isinstance(value := getattr(self, declared.name), Options):
                prefix = declared.metadata.get("prefix")
                value.register(PrefixedOptions(prefix, opts) if prefix else opts)


def _checked(value: Any, kind: type, where: str, metadata: Any) -> Any:
    """`value` as a `kind`, where that loses nothing."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, np.generic):
        return _checked(value.item(), kind, where, metadata)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise OptionError(f"{where}={value!r} is of type {type(value).__name__}; expected {_NAMES[kind]}")
    if metadata.get("unsigned") and value < 0:
        raise OptionError(f"{where}={value!r} is negative; expected 0 or more")
    return value


@dataclass
class _Registered:
    name: str
    kind: type
    doc: str
    unsigned: bool
    default: Any
    get: Callable[[], Any]
    set: Callable[[Any], None]

    @classmethod
    def of_field(cls, owner: Options, declared: dataclasses.Field) -> "_Registered":
        return cls(
            declared.metadata["name"],
            type(declared.default),
            declared.metadata["doc"],
            declared.metadata["unsigned"],
            getattr(owner, declared.name),
            lambda: getattr(owner, declared.name),
            lambda value: setattr(owner, declared.name, value),
        )

    def parse(self, text: str, where: str) -> None:
        try:
            if self.kind is bool:
                if text.lower() not in _TRUE + _FALSE:
                    raise ValueError
                self.set(text.lower() in _TRUE)
            else:
                value = self.kind(text)
                if self.unsigned and value < 0:
                    raise ValueError
                self.set(value)
        except ValueError:
            expected = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}[
                self.kind
            ]
            if self.unsigned:
                expected = "an integer of 0 or more"
            raise OptionError(
                f"{where}: '{text}' is no value for --{self.name}; expected {expected}"
            ) from None

    @property
    def shown(self) -> str:
        return _shown(self.default)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        f"{value:g}" if isinstance(value, float) else f'"{value}"' if isinstance(value, str) else str(value)
    )


def _normal(name: str) -> str:
    return name.replace("_", "-").lower()


class ParseOptions:
    """Parses a command line of Kaldi's kind.

    >>> po = ParseOptions("usage: copy [options] <in> <out>")
    >>> po.register_bool("binary", True, "Write binary")
    >>> po.parse_args(["copy", "--binary=false", "a", "b"]).binary, po.get_arg(1)
    (False, 'a')
    """

    def __init__(self, usage: str = ""):
        self._usage = usage
        self._options: dict[str, _Registered] = {}
        self._direct: dict[str, Any] = {}
        self._positional: list[str] = []
        self._program = ""
        self._print_args = True
        self._verbose = 0

    # Registering

    def _add(self, registered: _Registered) -> None:
        self._options[_normal(registered.name)] = registered

    def _register(self, name: str, default: Any, doc: str, kind: type, unsigned: bool = False) -> None:
        key = _normal(name).replace("-", "_")
        self._direct[key] = _checked(default, kind, f"the default of --{name}", dict(unsigned=unsigned))
        self._add(
            _Registered(
                name,
                kind,
                doc,
                unsigned,
                default,
                lambda: self._direct[key],
                lambda value: self._direct.__setitem__(key, value),
            )
        )

    def register_bool(self, name: str, default: bool, doc: str) -> None:
        """An option whose value `parse_args` returns as an attribute, with underscores for dashes."""
        self._register(name, default, doc, bool)

    def register_int(self, name: str, default: int, doc: str) -> None:
        self._register(name, default, doc, int)

    def register_uint(self, name: str, default: int, doc: str) -> None:
        self._register(name, default, doc, int, unsigned=True)

    def register_float(self, name: str, default: float, doc: str) -> None:
        self._register(name, default, doc, float)

    def register_double(self, name: str, default: float, doc: str) -> None:
        self._register(name, default, doc, float)

    def register_str(self, name: str, default: str, doc: str) -> None:
        self._register(name, default, doc, str)

    @staticmethod
    def with_prefix(prefix: str, opts: "ParseOptions | PrefixedOptions") -> "PrefixedOptions":
        """A view of `opts` that puts `prefix.` before every name registered through it."""
        return PrefixedOptions(prefix, opts)

    def disable_option(self, name: str) -> None:
        """Takes a registered option away again."""
        if self._options.pop(_normal(name), None) is None:
            raise OptionError(f"--{name} cannot be disabled: it was not registered")

    # Parsing

    def parse_args(self, args: Sequence[str] | None = None) -> Namespace:
        """Sets every registered option. `args` begins with the program's name, as its default sys.argv does.

        Returns the values of the options that were registered one by one. Raises OptionError for an option
        that is not there, or a value that it cannot take; --help prints the usage and exits.
        """
        arguments = list(args or sys.argv)
        self._program, rest = (arguments[0] if arguments else ""), arguments[1:]
        given, self._positional = self._split(rest)
        for name, _ in given:
            if name == "help":
                self.print_usage(stream=sys.stdout)
                raise SystemExit(0)
        # Configuration files first: the command line has the last word, wherever it names them.
        for name, value in given:
            if name == "config":
                self.read_config_file(value or "")
        for name, value in given:
            if name != "config":
                self._set(name, value, "command line")
        if self._print_args:
            sys.stderr.write(shlex.join(arguments) + "\n")
        return Namespace(**self._direct)

    def _split(self, arguments: list[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
        given: list[tuple[str, str | None]] = []
        for position, argument in enumerate(arguments):
            if argument == "--":
                return given, arguments[position + 1 :]
            if not argument.startswith("--"):
                return given, arguments[position:]
            name, equals, value = argument[2:].partition("=")
            given.append((_normal(name), value if equals else None))
        return given, []

    def _set(self, name: str, value: str | None, where: str) -> None:
        if name == "print-args":
            self._print_args = (value or "true").lower() in _TRUE
        elif name == "verbose":
            self._verbose = int(value or 0)
        else:
            registered = self._options.get(name)
            if registered is None:
                known = ", ".join(f"--{option}" for option in sorted(self._options))
                raise OptionError(f"{where}: there is no option --{name}; the options are {known or 'none'}")
            if value is None and registered.kind is not bool:
                raise OptionError(
                    f"{where}: --{name} has no value; expected --{name}=<{_NAMES[registered.kind]}>"
                )
            registered.parse(value if value is not None else "", where)

    def read_config_file(self, filename: str) -> None:
        """Sets the options that a file lists, one `--name=value` a line; `#` begins a comment."""
        from sonant.kaldi.util.io import xopen

        with xopen(filename, "rt") as file:
            lines = file.readlines()
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            where = f"{filename}:{number}"
            if not text.startswith("--") or text == "--":
                raise OptionError(f"{where}: '{text}'; expected a line --name=value, or # and a comment")
            name, equals, value = text[2:].partition("=")
            self._set(_normal(name.strip()), value.strip() if equals else None, where)

    # What was parsed

    def num_args(self) -> int:
        """Arguments after the options."""
        return len(self._positional)

    def get_arg(self, i: int) -> str:
        """The i-th argument after the options, the first being 1."""
        if not 1 <= i <= len(self._positional):
            raise OptionError(f"argument {i} is not there: {len(self._positional)} were given\n{self._usage}")
        return self._positional[i - 1]

    def get_opt_arg(self, i: int) -> str:
        """The i-th argument, or '' where fewer were given."""
        return self._positional[i - 1] if 1 <= i <= len(self._positional) else ""

    @staticmethod
    def escape(text: str) -> str:
        """`text` quoted for a shell."""
        return shlex.quote(text)

    # Showing

    def print_config(self, stream: Any = None) -> None:
        """Writes every option with its present value, in the form of a configuration file."""
        for name in sorted(self._options):
            value = self._options[name].get()
            print(f"--{name}={_shown(value).strip(chr(34))}", file=stream or sys.stderr)

    def print_usage(self, print_command_line: bool = False, stream: Any = None) -> None:
        stream = stream or sys.stderr
        print(f"\n{self._usage.strip()}\n\nOptions:", file=stream)
        for name in sorted(self._options):
            option = self._options[name]
            kind = "uint" if option.unsigned else _NAMES[option.kind]
            print(f"  --{name:<27} : {option.doc} ({kind}, default = {option.shown})", file=stream)
        print("\nStandard options:", file=stream)
        for name, doc in (
            ("config", 'Configuration file to read, may be repeated (string, default = "")'),
            ("help", "Print this and exit (bool, default = false)"),
            ("print-args", "Print the command line to standard error (bool, default = true)"),
            ("verbose", "Verbose level: higher, more messages (int, default = 0)"),
        ):
            print(f"  --{name:<27} : {doc}", file=stream)
        if print_command_line:
            print(f"Command line was: {shlex.join([self._program, *self._positional])}", file=stream)


class PrefixedOptions:
    """Registers with another parser, every name after a prefix and a dot."""

    def __init__(self, prefix: str, opts: "ParseOptions | PrefixedOptions"):
        self._prefix, self._opts = prefix, opts

    def _add(self, registered: _Registered) -> None:
        self._opts._add(dataclasses.replace(registered, name=f"{self._prefix}.{registered.name}"))


class ConfigLine:
    """One line `first-token name=value name='value with spaces' ...`, as Kaldi's nnet3 configs have them."""

    def __init__(self) -> None:
        self._line, self._first = "", ""
        self._values: dict[str, str] = {}
        self._used: set[str] = set()

    def parse_line(self, line: str) -> bool:
        """Reads a line; False where it is not of that form."""
        self._line, self._first, self._values, self._used = line, "", {}, set()
        rest = line.strip()
        if match := re.match(r"([^\s=]+)(?:\s+|$)", rest):
            self._first, rest = match[1], rest[match.end() :]
        while rest:
            # Without quotes a value may hold spaces, up to the next name: `input=Append(a, b) dim=3`.
            match = re.match(
                r"""([A-Za-z_][\w\-.]*)=(?:'([^']*)'|"([^"]*)"|([^'"]*?))(?:\s+(?=[A-Za-z_][\w\-.]*=)|\s*$)""",
                rest,
            )
            if not match or match[1] in self._values:
                return False
            self._values[match[1]] = match[2] or match[3] or match[4] or ""
            rest = rest[match.end() :]
        return True

    def first_token(self) -> str:
        return self._first

    def whole_line(self) -> str:
        return self._line

    def _get(self, key: str, convert: Callable[[str], Any]) -> tuple[bool, Any]:
        if key not in self._values:
            return False, None
        try:
            value = convert(self._values[key])
        except (ValueError, KeyError):
            return False, None
        self._used.add(key)
        return True, value

    def get_str(self, key: str) -> tuple[bool, Any]:
        """(found, value); so do the others, with found=False also for a value of another type."""
        return self._get(key, str)

    def get_int(self, key: str) -> tuple[bool, Any]:
        return self._get(key, int)

    def get_float(self, key: str) -> tuple[bool, Any]:
        return self._get(key, float)

    def get_bool(self, key: str) -> tuple[bool, Any]:
        return self._get(
            key, lambda text: {"true": True, "t": True, "false": False, "f": False}[text.lower()]
        )

    def get_intlist(self, key: str) -> tuple[bool, Any]:
        return self._get(key, lambda text: [int(part) for part in re.split("[,:]", text)] if text else [])

    def has_unused_values(self) -> bool:
        return bool(self._values.keys() - self._used)

    def unused_values(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self._values.items() if key not in self._used)


def is_valid_name(name: str) -> bool:
    """True for a letter or underscore, then letters, digits, `-`, `_` and `.`."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9\-_.]*", name) is not None


def parse_config_lines(lines: Iterable[str]) -> list[ConfigLine]:
    """Raises OptionError for a line that is not of ConfigLine's form."""
    parsed = []
    for number, line in enumerate(lines, 1):
        config = ConfigLine()
        if not config.parse_line(line):
            raise OptionError(f"line {number}: '{line.strip()}'; expected a word, then name=value pairs")
        parsed.append(config)
    return parsed


def read_config_lines(stream: Any) -> list[str]:
    """The lines of a stream without comments and blank ones."""
    text = (line.partition("#")[0].strip() for line in stream.read().decode().splitlines())
    return [line for line in text if line]
