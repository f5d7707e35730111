"""How tables are written."""

from typing import Any, Generic

from sonant.errors import ArkError, SonantError, SpecifierError
from sonant.kaldi.util.io import OpenedOutput, OutputType, classify_wxfilename
from sonant.kaldi.util.reading import Table, Value
from sonant.kaldi.util.specifiers import WspecifierType, checked_key, checked_wspecifier, log, script_places


class Writer(Table, Generic[Value]):
    """Writes a table: `writer[key] = value`.

    wspecifier: `ark:file`, `ark,scp:file.ark,file.scp`, or `scp:file` for a script file that names where each
    object goes; options: `t` for text, `f` to flush after every object, `p` to pass over keys that the script
    file lacks. Raises SpecifierError (an OSError) where it cannot be opened. A value that cannot be written
    leaves what was written before as it is.
    """

    def __init__(self, wspecifier: str = ""):
        self._out: OpenedOutput | None = None
        self._script_out: OpenedOutput | None = None
        self._places: dict[str, str] | None = None  # of each key, for scp: alone
        self._ready = True
        if wspecifier:
            self.open(wspecifier)

    def open(self, wspecifier: str) -> bool:
        """Opens a table in place of the present one. Returns True."""
        if self.is_open():
            self.close()
        kind, archive, script, self._options = checked_wspecifier(wspecifier)
        if kind == WspecifierType.SCRIPT_SPECIFIER:
            self._places = script_places(script)
            return True
        if kind == WspecifierType.BOTH_SPECIFIER and classify_wxfilename(archive) != OutputType.FILE_OUTPUT:
            log.warning("'%s': the script file names places in '%s', which is no file", wspecifier, archive)
        self._out = OpenedOutput(archive)
        self._name = archive
        if kind == WspecifierType.BOTH_SPECIFIER:
            try:
                self._script_out = OpenedOutput(script)
            except SonantError:
                self.close()
                raise
        return True

    def write(self, key: str, value: Value) -> None:
        """Raises ArkError for a key that is no word and a full disk, and a SonantError for a value."""
        self._require_open()
        checked_key(key)
        checked = self._holder.check(value)
        binary = self._options.binary
        if self._out is None:
            return self._write_alone(key, checked)
        stream = self._out.stream
        stream.write(f"{key} ".encode("utf-8", "surrogateescape"))
        offset = stream.tell()
        self._holder.write(stream, binary, checked)
        if self._script_out is not None:
            line = f"{key} {self._name}:{offset}\n"
            self._script_out.stream.write(line.encode("utf-8", "surrogateescape"))
        if self._options.flush:
            self.flush()
        return None

    __setitem__ = write

    def _write_alone(self, key: str, checked: Any) -> None:
        place = (self._places or {}).get(key)
        if place is None:
            if self._options.permissive:
                return
            raise ArkError(
                f"key '{key}' has no line in the script file; expected one that says where it goes"
            )
        opened = OpenedOutput(place)
        try:
            self._holder.write(opened.stream, self._options.binary, checked)
        finally:
            opened.close()

    def flush(self) -> None:
        self._require_open()
        for opened in (self._out, self._script_out):
            if opened is not None:
                opened.stream.flush()

    def is_open(self) -> bool:
        return self._out is not None or self._places is not None

    def close(self) -> bool:
        """Returns True. Raises ArkError where not all was written, SpecifierError where a command failed."""
        self._require_open()
        opened = [self._out, self._script_out]
        self._out = self._script_out = self._places = None
        failures: list[SonantError] = []
        for output in opened:
            try:
                if output is not None:
                    output.close()
            except (ArkError, SpecifierError) as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return True
