//! The developer's side of hapkg: sets the host up, builds everything, and
//! runs every test.

mod bases;
mod bench;
mod case;
mod checks;
mod compare;
mod host;
mod lacking;
mod machine;
mod machines;
mod pty;
mod report;
mod run;
mod sabotage;
mod setup;
mod soak;
mod stop;
mod stub;
mod trials;
mod tutorial;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use stop::Stop;

#[derive(Parser)]
#[command(
    name = "xtask",
    about = "Sets the host up, builds everything, runs every test"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what the other commands need.
    Setup,
    /// Builds all roles for all suites into dist/, with their sources.
    Build {
        /// Passed on to `hapkg build`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Runs every test; the last line says `N passed, N failed`.
    Test(Test),
    /// Packs the stub of Eucalyptus that tests install.
    Stub {
        /// Directory that gets the .deb.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Makes recipes, clusters and hosts wrong, one way each, and sees whether
    /// the trials in virtual machines find it. Needs dist/.
    Sabotage {
        /// Only those whose name contains this.
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Many trials in a row, then two that are killed: nothing is left, and
    /// nothing grows. Needs dist/.
    Soak {
        /// How many in a row.
        #[arg(default_value_t = 50, value_parser = clap::value_parser!(u16).range(4..))]
        times: u16,
    },
    /// Types what README's tutorial tells to type, up to its trials in virtual
    /// machines.
    Tutorial,
    /// Measures.
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Args)]
struct Test {
    /// Also what downloads or compiles much and is covered in a smaller way elsewhere, and
    /// every scenario of vip, drbd, clvm and clc on noble.
    #[arg(long)]
    all: bool,
    /// Only the chroot tests whose name contains this, and nothing else.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Use the repositories of the last run again.
    #[arg(long, requires = "filter")]
    reuse: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// hapkg beside dpkg-deb, equivs-build and cargo-deb.
    Build,
    /// A forked cluster beside one that is booted and formed; needs dist/.
    Vm,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Setup => setup::tests().map(|()| ExitCode::SUCCESS),
        Command::Build { args } => build(&args),
        Command::Test(test) => checks::test(test.all, test.filter.as_deref(), test.reuse),
        Command::Stub { out } => stub::build(&out).map(|deb| {
            println!("{}", deb.display());
            ExitCode::SUCCESS
        }),
        Command::Sabotage { filter } => sabotage::run(filter.as_deref()),
        Command::Soak { times } => soak::run(times),
        Command::Tutorial => tutorial::run(),
        Command::Bench { what: Bench::Build } => bench::build().map(|()| ExitCode::SUCCESS),
        Command::Bench { what: Bench::Vm } => bench::machines::run().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|stop| {
        eprintln!("xtask: {stop}");
        ExitCode::from(stop.exit_code())
    })
}

/// `hapkg build` keeps its own exit code.
fn build(args: &[String]) -> Result<ExitCode, Stop> {
    setup::build()?;
    let hapkg = world::release_hapkg()?;
    let status = std::process::Command::new(&hapkg)
        .current_dir(host::root())
        .args(["build", "--source"])
        .args(args)
        .status()
        .map_err(|e| Stop::environment(format!("running {}: {e}", hapkg.display())))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(3)))
}
