"""Options of the command line that come from dataclasses: nothing about a parameter is written twice.

A command takes *groups* beside its own options. A group becomes the options of its fields, and the command
gets it back as one value. There are two sorts:

- A dataclass of this package, such as `options.Block`. Each field is one option, annotated as typer wants it.
  An option that many commands need (``--event-format``) is one field of one group: add it there, give the
  group a property that makes of it what the program works with, and every command with that group has it.
- `Derived`: fields of a parameter dataclass of the core, such as ``FloodParameters``. Type, default, help and
  choices come from its definition and its docstring; the value is a dict for ``replace`` or for making the
  dataclass, which checks the ranges. To show one more parameter as an option add its name ::

      Flood = Annotated[
          dict[str, Any], Derived("analysis/flood/parameters.py", "FloodParameters", bins=Field())
      ]

      def flood(*, raw: Raw, chosen: Flood, force: Force = False) -> None: ...

A new command is a function like this one, with keyword-only parameters, in the list `main.COMMANDS`; what it
imports stands inside, the cheap refusals before the heavy imports.

Definitions are read as text, not imported: the modules that hold parameters load numba and half of scipy, and
``--help`` would take seconds. A test holds what is read against the imported dataclasses.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from napari_petlut.cli import terminal

_PACKAGE = Path(__file__).parents[1]
NO_DEFAULT = object()


@dataclass(frozen=True)
class Field:
    """How one field of a parameter dataclass becomes an option, where that differs from the rule.

    Parameters
    ----------
    option : str, optional
        Name of the option; the field's own by default.
    help : str, optional
        What it does, where the command line does more than the dataclass; by default the first sentence of
        the field's documentation.
    """

    option: str | None = None
    help: str | None = None


@dataclass(frozen=True)
class FieldText:
    """What the definition of a dataclass says about a field.

    Parameters
    ----------
    name : str
    annotation : str
        As written, a name of choices replaced by what it stands for.
    default : object
        `NO_DEFAULT` if it is no plain value.
    doc : str
        From the docstring of the class.
    """

    name: str
    annotation: str
    default: Any
    doc: str

    @property
    def first_sentence(self) -> str:
        """The beginning of the documentation."""
        found = re.match(r".+?\.(?=\s|$)", self.doc)
        return found[0] if found else self.doc


@functools.cache
def fields_in(file: str, name: str) -> Mapping[str, FieldText]:
    """Return the fields of a dataclass from the text of its module.

    Parameters
    ----------
    file : str
        Relative to the package, such as ``"analysis/flood/parameters.py"``.
    name : str
        Of the class.
    """
    module = ast.parse((_PACKAGE / file).read_text(encoding="utf-8"))
    names = {
        target.id: ast.unparse(node.value)
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    (found,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)
    docs = _parameter_docs(ast.get_docstring(found) or "")
    return {
        field.target.id: FieldText(
            field.target.id,
            names.get(ast.unparse(field.annotation), ast.unparse(field.annotation)),
            _literal(field.value),
            docs.get(field.target.id, ""),
        )
        for field in found.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _literal(node: ast.expr | None) -> Any:  # noqa: ANN401 - any plain value
    try:
        return NO_DEFAULT if node is None else ast.literal_eval(node)
    except ValueError:
        return NO_DEFAULT


def _parameter_docs(docstring: str) -> dict[str, str]:
    """Return what the section "Parameters" of a numpydoc docstring says about each name."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", docstring, re.M | re.S)
    docs: dict[str, str] = {}
    for entry in re.finditer(
        r"^(\S[^\n:]*?) *(?::[^\n]*)?\n((?:[ ]+[^\n]*\n|\n)*)", section[1] + "\n" if section else "", re.M
    ):
        text = " ".join(entry[2].split())
        docs |= dict.fromkeys((name.strip() for name in entry[1].split(",")), text)
    return docs


_TYPES: Mapping[str, Any] = {"int": int, "float": float, "bool": bool, "str": str}
_WINDOW = "EnergyWindow"


class Derived:
    """A group of options from some fields of a parameter dataclass.

    Parameters
    ----------
    file, name : str
        Where the dataclass is defined; see `fields_in`.
    given_only : bool
        Leave out of the dict what is not given: something else than the dataclass has the defaults.
    **chosen : Field
        By the name of the field, in the order of the help.
    """

    def __init__(self, file: str, name: str, *, given_only: bool = False, **chosen: Field) -> None:
        self.file, self.name, self.given_only, self.chosen = file, name, given_only, chosen

    def parameters(self) -> list[inspect.Parameter]:
        """Return the options as parameters that typer reads."""
        texts = fields_in(self.file, self.name)
        return [self._parameter(texts[name], field) for name, field in self.chosen.items()]

    def _parameter(self, text: FieldText, field: Field) -> inspect.Parameter:
        kind, metavar = _kind_of(text.annotation)
        default = None if self.given_only or text.default is NO_DEFAULT else text.default
        names = (field.option or f"--{text.name.replace('_', '-')}",)
        option = typer.Option(*names, help=field.help or text.first_sentence, metavar=metavar)
        annotation: Any = Annotated[kind | None if default is None else kind, option]
        return _keyword(text.name, annotation, default)

    def made(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was given, by field, as the dataclass wants it."""
        texts = fields_in(self.file, self.name)
        kept = {name: value for name, value in given.items() if not (self.given_only and value is None)}
        return {name: _converted(value, texts[name].annotation) for name, value in kept.items()}


def _kind_of(annotation: str) -> tuple[Any, str | None]:
    """Return the type of an option, and what its value is called if not after its type."""
    choices = re.fullmatch(r"Literal\[(.+)\]", annotation)
    if choices:
        return str, "|".join(ast.literal_eval(f"({choices[1]},)"))
    first = annotation.split("|")[0].strip()
    return (tuple[float, float], "LOW HIGH") if first == _WINDOW else (_TYPES[first], None)


def _converted(value: Any, annotation: str) -> Any:  # noqa: ANN401 - any value of a field
    if value is None or not annotation.startswith(_WINDOW):
        return value
    from napari_petlut.model import EnergyWindow

    return EnergyWindow(*value)


class _Fields:
    """A group of options that is a dataclass of this package."""

    def __init__(self, group: type[Any]) -> None:
        self.group = group

    def parameters(self) -> list[inspect.Parameter]:
        hints = get_type_hints(self.group, include_extras=True)
        return [_keyword(field.name, hints[field.name], field.default) for field in fields(self.group)]

    def made(self, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the group itself
        return self.group(**given)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401 - as inspect does
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose groups are options, and which tells expected errors in one line.

    Parameters
    ----------
    command : callable
        With keyword-only parameters.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Derived | _Fields] = {}
    shown: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        group = _group_of(hints[parameter.name])
        if group is None:
            shown.append(parameter.replace(annotation=hints[parameter.name]))
        else:
            groups[parameter.name] = group
            shown += group.parameters()
    parts = {name: [field.name for field in group.parameters()] for name, group in groups.items()}

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - whatever typer has read
        with terminal.friendly_errors():
            # A group may have the name of an option in another one.
            taken = {name: {part: given.pop(part) for part in names} for name, names in parts.items()}
            command(**given, **{name: group.made(taken[name]) for name, group in groups.items()})

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    del run.__wrapped__  # typer would look through it
    return run


def _group_of(annotation: Any) -> Derived | _Fields | None:  # noqa: ANN401 - any annotation
    if get_origin(annotation) is Annotated:
        return next((part for part in get_args(annotation) if isinstance(part, Derived)), None)
    return _Fields(annotation) if isinstance(annotation, type) and is_dataclass(annotation) else None
