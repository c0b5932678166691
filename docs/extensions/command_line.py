"""The directive ``command-line``: every command of `kmeans-fast` with its options, from argparse itself."""

import argparse
import functools

from docutils import nodes
from docutils.parsers.rst import Directive

from kmeans_fast.cli.parser import make_parser


class CommandLine(Directive):
    def run(self):
        parser = make_parser()
        commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        return [self._section(name, command) for name, command in commands.choices.items()]

    def _section(self, name, command):
        command.formatter_class = functools.partial(argparse.HelpFormatter, width=88)
        command.color = False  # of Python 3.14
        section = nodes.section(ids=[nodes.make_id(name)], names=[name])
        usage = command.format_usage().removeprefix("usage: ").rstrip()
        usage = "\n".join(line.replace(" " * len("usage: "), "", 1) for line in usage.splitlines())
        section += [
            nodes.title("", f"kmeans-fast {name}"),
            nodes.paragraph("", command.description or ""),
            nodes.literal_block(usage, usage, language="none"),
        ]
        for group in command._action_groups:
            listed = [action for action in group._group_actions if action.help is not argparse.SUPPRESS]
            if listed and [action.dest for action in listed] != ["help"]:
                section += [nodes.rubric("", group.title), self._options(command, listed)]
        if command.epilog:
            section += nodes.paragraph("", command.epilog)
        return section

    @staticmethod
    def _options(command, actions):
        formatter, found = command._get_formatter(), nodes.definition_list(classes=["options"])
        for action in actions:
            said = formatter._expand_help(action) if action.help else ""
            term = nodes.term("", "", nodes.literal("", formatter._format_action_invocation(action)))
            found += nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", said)))
        return found


def setup(app):
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
