//! The templates of `debian-templates/`, parsed once for the whole process.

use std::io::Write;
use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult};

use super::text;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../debian-templates/", $name, ".tera")))),*]
    };
}

static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    // Man pages escape every value by themselves; the other formats say with
    // a filter what a value is there.
    tera.autoescape_on([".7"]);
    tera.set_escape_fn(|value: &str, out: &mut dyn Write| {
        out.write_all(text::roff(value).as_bytes())
    });
    tera.register_filter("field", |value: &str, _: Kwargs, _: &State| {
        text::line(value)
    });
    tera.register_filter("extended", |value: &str, _: Kwargs, _: &State| {
        text::extended(value)
    });
    tera.register_filter("item", |value: &str, _: Kwargs, _: &State| {
        text::item(value)
    });
    tera.register_filter("ocf", |path: &str, _: Kwargs, _: &State| ocf(path));
    tera.register_filter("shell", |value: &str, _: Kwargs, _: &State| {
        text::shell(value)
    });
    tera.register_filter("task_text", |value: &str, _: Kwargs, _: &State| {
        text::task(value)
    });
    tera.register_filter("man", |value: &str, _: Kwargs, _: &State| {
        text::man(value, false)
    });
    tera.register_filter("man_tagged", |value: &str, _: Kwargs, _: &State| {
        text::man(value, true)
    });
    tera.register_filter(
        "plain",
        |value: &str, args: Kwargs, _: &State| -> TeraResult<String> {
            let indent = args.get::<&str>("indent")?.unwrap_or("");
            Ok(text::plain(value, 76, indent))
        },
    );
    tera.add_raw_templates(templates![
        "control",
        "changelog",
        "copyright",
        "rules",
        "install",
        "manpages",
        "clean",
        "source-format",
        "README.Debian",
        "man.7",
        "tests-control",
        "tests-install-and-configure",
        "ubuntu-ha.desc",
        "pre-pkgsel",
        "preseed",
    ])
    .expect("the embedded templates parse");
    tera
});

/// Renders a template with the fields of `facts` as its variables.
///
/// # Errors
/// The template names a variable that `facts` lacks.
pub fn render<T: Serialize>(name: &str, facts: &T) -> Result<String, tera::Error> {
    TERA.render(name, &Context::from_serialize(facts)?)
}

/// As [`render`], for several templates of the same facts.
pub fn context<T: Serialize>(facts: &T) -> Result<Context, tera::Error> {
    Context::from_serialize(facts)
}

/// Renders a template with a context made before.
pub fn with(name: &str, context: &Context) -> Result<String, tera::Error> {
    TERA.render(name, context)
}

/// `ocf:ubuntu:eucacc` of the path of an agent (OCF 1.1).
pub fn ocf(path: &str) -> String {
    let name = path
        .rsplit_once("/resource.d/")
        .map_or(path, |(_, name)| name);
    format!("ocf:{}", name.replace('/', ":"))
}
