"""Which language a file is written in: by its name, its ending, or the line that starts a program.

Tables only: nothing here opens a file or loads a grammar. A name that nothing knows is `text`.
"""

import re
from pathlib import PurePosixPath

TEXT = "text"
"""What no grammar knows: cut by its paragraphs."""
PROSE = frozenset({"markdown", "rst", "text", "asciidoc", "org", "typst"})
"""What people wrote for people: cut by sections and paragraphs, no names in it. The grammar of Typst, which there is,
crashes on 126 bytes of `_*_*`."""

_ENDINGS = {
    "python": "py pyi pyw pyx pxd",
    "starlark": "bzl bazel star",
    "javascript": "js mjs cjs jsx es6",
    "typescript": "ts mts cts",
    "tsx": "tsx",
    "rust": "rs",
    "go": "go",
    "java": "java",
    "kotlin": "kt kts",
    "c": "c h",
    "cpp": "cc cpp cxx c++ hh hpp hxx h++ ipp tpp inl cu cuh ino",
    "csharp": "cs csx",
    "ruby": "rb rake gemspec ru rbw",
    "php": "php phtml php5 php7",
    "swift": "swift",
    "scala": "scala sc sbt",
    "bash": "sh bash zsh ksh bats ebuild",
    "sql": "sql psql mysql ddl",
    "html": "html htm xhtml",
    "css": "css",
    "scss": "scss",
    "markdown": "md markdown mdown mkd mdx",
    "rst": "rst rest",
    "asciidoc": "adoc asciidoc",
    "org": "org",
    "json": "json geojson webmanifest ipynb jsonl ndjson",
    "jsonc": "jsonc code-workspace",
    "json5": "json5",
    "yaml": "yaml yml",
    "toml": "toml",
    "ini": "ini cfg conf",
    "properties": "properties",
    "xml": "xml xsd xsl xslt svg plist csproj fsproj vbproj props targets pom",
    "vue": "vue",
    "svelte": "svelte",
    "astro": "astro",
    "lua": "lua",
    "perl": "pl pm",
    "r": "r",
    "julia": "jl",
    "dart": "dart",
    "elixir": "ex exs",
    "erlang": "erl hrl",
    "haskell": "hs",
    "ocaml": "ml",
    "clojure": "clj cljs cljc edn",
    "scheme": "scm ss",
    "racket": "rkt",
    "zig": "zig",
    "nix": "nix",
    "objc": "m mm",
    "groovy": "groovy gradle",
    "powershell": "ps1 psm1 psd1",
    "batch": "bat cmd",
    "fortran": "f f90 f95 f03 f08 for",
    "solidity": "sol",
    "proto": "proto",
    "graphql": "graphql gql",
    "hcl": "hcl tf",
    "jsonnet": "jsonnet libsonnet",
    "cmake": "cmake",
    "make": "mk mak",
    "dockerfile": "dockerfile",
    "latex": "tex sty cls",
    "typst": "typ",
    "vim": "vim",
    "kdl": "kdl",
    "just": "just",
    "wat": "wat",
    "jinja2": "jinja jinja2 j2",
    "text": "txt text log csv tsv",
}
_NAMES = {
    "bash": ".bashrc .bash_profile .profile .zshrc .zprofile PKGBUILD",
    "make": "makefile gnumakefile",
    "dockerfile": "dockerfile containerfile",
    "cmake": "cmakelists.txt",
    "ruby": "rakefile gemfile podfile vagrantfile fastfile guardfile brewfile",
    "starlark": "build workspace module.bazel tiltfile",
    "groovy": "jenkinsfile",
    "just": "justfile",
    "toml": "cargo.lock poetry.lock uv.lock pipfile",
    "json": "composer.lock .babelrc .eslintrc .prettierrc flake.lock",
    "jsonc": "tsconfig.json jsconfig.json",
    "go": "",
    "ini": ".gitconfig .editorconfig .flake8 .pylintrc .coveragerc",
    "gitignore": ".gitignore .dockerignore .npmignore .naestroignore",
    "text": "license copying notice authors readme changelog",
}
_BY_ENDING = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}
_BY_NAME = {name.lower(): language for language, names in _NAMES.items() for name in names.split()}
_STARTERS = {
    "python": "python",
    "pypy": "python",
    "node": "javascript",
    "deno": "typescript",
    "bun": "typescript",
    "tsx": "typescript",
    "ruby": "ruby",
    "php": "php",
    "perl": "perl",
    "lua": "lua",
    "sh": "bash",
    "bash": "bash",
    "dash": "bash",
    "zsh": "bash",
    "ksh": "bash",
    "make": "make",
    "swift": "swift",
    "scala": "scala",
    "groovy": "groovy",
    "julia": "julia",
    "elixir": "elixir",
    "escript": "erlang",
    "Rscript": "r",
    "racket": "racket",
    "kotlin": "kotlin",
    "pwsh": "powershell",
}
LANGUAGES = frozenset({*_ENDINGS, *_NAMES, *_STARTERS.values(), "objc", TEXT})
"""All names that `language_of` gives."""
_SHEBANG = re.compile(rb"#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+|\w+=\S*\s+)*)?(?:\S*/)?([A-Za-z]+)")
_HEAD_BYTES_MAX = 4096
"""How much of a file's beginning is looked at."""
_CPP = re.compile(
    rb"^\s*(?:class\s+\w+|namespace\b|template\s*<|using\s+\w|(?:public|private|protected)\s*:)", re.M
)
_OBJC = re.compile(rb"^\s*(?:@interface|@implementation|@protocol|@import|#import)\b", re.M)


def language_of(path: str, head: bytes = b"") -> str:
    """The language of the file at `path`, whose content begins with `head`: a name of this module, or `text`.

    Only the ending counts where it says enough; a `.h` or `.m` is told by what stands in `head`, a file without a
    known ending by its `#!` line.
    """
    head = head[:_HEAD_BYTES_MAX]
    name = PurePosixPath(path).name.lower()
    by_name = _BY_NAME.get(name) or _BY_NAME.get(name.split(".", 1)[0] if "." in name[1:] else "")
    if name in _BY_NAME:
        return _BY_NAME[name]
    ending = name.rpartition(".")[2] if "." in name[1:] else ""
    language = _BY_ENDING.get(ending)
    if ending in {"h", "m"}:
        return _by_content(ending, head)
    if language:
        return language
    found = _SHEBANG.match(head)
    if found:
        return _STARTERS.get(found[1].decode(), TEXT)
    return by_name if by_name in {"dockerfile", "make"} else TEXT


def language_named(text: str) -> str | None:
    """The language that a person means by its name or by the ending of its files; None where there is none such."""
    name = text.strip().removeprefix(".").lower()
    return name if name in LANGUAGES else _BY_ENDING.get(name)


def _by_content(ending: str, head: bytes) -> str:
    if _OBJC.search(head):
        return "objc"
    if ending == "m":
        return TEXT
    return "cpp" if _CPP.search(head) else "c"
