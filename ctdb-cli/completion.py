# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what bash and zsh need to complete ctdb-cli's command line, from the table of commands.
   completion.py COMMANDS.DEF BASH_FILE ZSH_FILE

Both complete nouns, verbs and options; names of databases and numbers of nodes are asked of the node (nobody there: none). Where there is nothing to
offer the shell offers files."""
import re
import sys

from command_table import rows

GLOBALS = ["--base", "--socket", "--output", "--timeout", "--help", "--version"]

BASH = r'''# Completion of ctdb-cli for bash. Made from ctdb-cli/commands.def.
_ctdb_cli() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local place=() given=() words='' at=1 value
  # bash makes three words of --option=value.
  if [ "$current" = = ]; then
    current=''
  elif [ "$previous" = = ]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
  while [ $at -lt $COMP_CWORD ]; do
    value=$((at + 1))
    [ "${COMP_WORDS[value]}" != = ] || value=$((at + 2))
    case "${COMP_WORDS[at]}" in
      --base|--socket) place=("${COMP_WORDS[at]}" "${COMP_WORDS[value]}"); at=$value ;;
      --base=*|--socket=*) place=("${COMP_WORDS[at]}") ;;
      @WITH_VALUE@) at=$value ;;
      -*) ;;
      *) given+=("${COMP_WORDS[at]}") ;;
    esac
    at=$((at + 1))
  done
  COMPREPLY=()
  case "$previous" in
    --db) words=$(_ctdb_cli_databases "${place[@]}") ;;
    --node) words=$(_ctdb_cli_nodes "${place[@]}") ;;
    --for) words='healthy ready leader' ;;
    -o|--output) words='table json' ;;
    --base|--socket|@WITH_VALUE@) ;;
    *) previous= ;;
  esac
  if [ -n "$previous" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case "${given[*]}" in
@CASES@
  esac
  case "$current" in -*) words="$words @GLOBALS@" ;; esac
  COMPREPLY+=($(compgen -W "$words" -- "$current"))
  case "${COMPREPLY[0]}" in *=) ! type compopt >/dev/null 2>&1 || compopt -o nospace ;; esac
}
# Names of attached databases, numbers of nodes; the node is the one that --base or --socket names.
_ctdb_cli_databases() { ctdb-cli --timeout 1 "$@" db list 2>/dev/null | awk 'NR > 1 { print $1 }'; }
_ctdb_cli_nodes() { ctdb-cli --timeout 1 "$@" node list 2>/dev/null | awk 'NR > 1 { print $1 }'; }
complete -o default -F _ctdb_cli ctdb-cli
'''

ZSH = r'''#compdef ctdb-cli
# Completion of ctdb-cli for zsh: that of bash, through zsh's own bridge. Made from ctdb-cli/commands.def.
autoload -U +X bashcompinit && bashcompinit
@BASH@
_bash_complete -o default -F _ctdb_cli
'''


def spelt(word):
    """What is typed for one word of a command's arguments: '--seconds=', '--watch', or '' for a position."""
    word = word.strip("[]")
    if not word.startswith("-"):
        return ""
    name = word.split(",")[-1]
    return name.split("=")[0] + ("=" if "=" in name else "")


def with_value(commands):
    """A pattern of all options that take one."""
    found = ["-o", "--output", "--timeout"]
    for _, arguments, _, _ in commands:
        for word in arguments.split():
            if spelt(word).endswith("="):
                found += word.strip("[]").split("=")[0].split(",")
    return "|".join(dict.fromkeys(found))


def asked(word):
    """The shell code that finds what may stand at a position."""
    kind = re.sub(r"[\[\]]", "", word)
    if kind == "DB":
        return "$(_ctdb_cli_databases \"${place[@]}\")"
    return "$(_ctdb_cli_nodes \"${place[@]}\")" if kind in ("NODE", "ID") else ""


def cases(commands):
    """For each beginning of a command line (its words that are no options), what may follow."""
    follow = {}
    for name, arguments, _, _ in commands:
        parts = name.split()
        for at in range(len(parts)):
            words = follow.setdefault(" ".join(parts[:at]), [])
            if parts[at] not in words:
                words.append(parts[at])
        options = [word for word in map(spelt, arguments.split()) if word]
        positions = [word for word in arguments.split() if not spelt(word)]
        for at in range(len(positions) + 1):
            beginning = name + " *" * at
            follow[beginning] = options + [asked(word) for word in positions[at:at + 1] if asked(word)]
    # The longest first: a pattern with * covers longer lines also.
    ordered = sorted(follow.items(), key=lambda item: -len(item[0].split()))
    return "\n".join(f"    {pattern(beginning)}) words=\"{' '.join(words)}\" ;;" for beginning, words in ordered)


def pattern(beginning):
    return "''" if not beginning else re.sub(r" (?=[^*])", "\\\\ ", beginning).replace(" *", "\\ *")


def main():
    commands = rows(sys.argv[1])
    bash = BASH.replace("@CASES@", cases(commands)).replace("@GLOBALS@", " ".join(GLOBALS))
    bash = bash.replace("@WITH_VALUE@", with_value(commands))
    with open(sys.argv[2], "w") as made:
        made.write(bash)
    with open(sys.argv[3], "w") as made:
        made.write(ZSH.replace("@BASH@", bash))


if __name__ == "__main__":
    main()
