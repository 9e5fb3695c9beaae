"""The one command, `tocsin up|exporter|receiver|ruler|check|query|notify`; each imports only what it runs."""


def main() -> None:
    """Run the command line."""
    from tocsin.cli import cli  # noqa: PLC0415

    cli()


if __name__ == "__main__":
    main()
