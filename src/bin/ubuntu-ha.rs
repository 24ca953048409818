use std::process::ExitCode;

fn main() -> ExitCode {
    hapkg::node::cli::main()
}
