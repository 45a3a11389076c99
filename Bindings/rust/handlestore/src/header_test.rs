//! Compares the declarations in ffi.rs with handlestore.h, by what gcc says about the header.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::ffi;
use crate::{Durability, Retention, StoreOptions};

const INCLUDE: &str = env!("HANDLESTORE_INCLUDE");
const DECLARATIONS: &str = include_str!("ffi.rs");

#[test]
fn structs_have_the_layout_of_the_header() {
    let declared = ffi::layout().into_iter().map(|line| line.replace(".type_ ", ".type "));
    assert_same(declared.collect(), run_c(&layout_program()), "structs");
}

#[test]
fn constants_have_the_values_of_the_header() {
    let names = header()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map(String::from)
        .filter(|name| name.starts_with("HS_"))
        .filter(|name| !name.starts_with("HS_VERSION") && !name.ends_with("_INIT"))
        .collect::<BTreeSet<_>>();
    let prints: String = names.iter().map(|name| format!("P(\"{name}\", {name});\n")).collect();
    let program =
        format!("#define P(name, value) printf(\"%s %d\\n\", name, value)\n{}", main(&prints));
    let declared = DECLARATIONS.lines().filter_map(|line| line.strip_prefix("pub const "));
    let declared = declared.map(|line| {
        let (name, rest) = line.split_once(':').unwrap();
        format!("{name} {}", rest.split_once("= ").unwrap().1.trim_end_matches(';'))
    });
    assert_same(declared.collect(), run_c(&program), "constants");
}

#[test]
fn functions_have_the_types_of_the_header() {
    let prototypes = prototypes();
    // gcc refuses a declaration that contradicts the one of the header.
    gcc(&["-fsyntax-only"], &format!("{INCLUDE_LINE}{}", prototypes.join("\n")));
    let declared = prototypes.iter().map(|line| line.split('(').next().unwrap());
    let declared = declared.map(|start| start.rsplit([' ', '*']).next().unwrap().to_string());
    let header = header();
    let in_header = header.lines().filter(|line| line.starts_with(|c: char| c.is_lowercase()));
    let in_header = in_header.filter_map(|line| {
        let name = line.split_once('(')?.0.rsplit([' ', '*']).next()?;
        name.starts_with("hs_").then(|| name.to_string())
    });
    assert_same(declared.collect(), in_header.collect(), "functions");
}

#[test]
fn usual_options_are_those_of_the_header() {
    let program = main(
        "hs_store_options o = HS_STORE_OPTIONS_INIT;\n\
         printf(\"%u %u %u %u %llu %llu %llu\\n\", o.size, o.durability, o.read_only, o.retention,\n\
         (unsigned long long)o.retention_value, (unsigned long long)o.cache_size,\n\
         (unsigned long long)o.limbo_limit);\n",
    );
    assert_eq!(run_c(&program), BTreeSet::from([printed(&StoreOptions::new())]));
    let mut options = StoreOptions::new();
    options.durability(Durability::Power).read_only(true).retention(Retention::Seconds(7));
    options.cache_size(8).limbo_limit(9);
    let size = std::mem::size_of::<ffi::hs_store_options>();
    assert_eq!(printed(&options), format!("{size} 1 1 1 7 8 9"));
}

fn printed(options: &StoreOptions) -> String {
    let o = options.raw();
    format!(
        "{} {} {} {} {} {} {}",
        o.size,
        o.durability,
        o.read_only,
        o.retention,
        o.retention_value,
        o.cache_size,
        o.limbo_limit
    )
}

fn assert_same(declared: BTreeSet<String>, in_header: BTreeSet<String>, what: &str) {
    assert!(in_header.len() >= 12, "found only {} {what} in the header", in_header.len());
    let missing: Vec<_> = in_header.difference(&declared).collect();
    let surplus: Vec<_> = declared.difference(&in_header).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{what}: ffi.rs lacks {missing:#?} of the header, which does not have {surplus:#?}"
    );
}

// What the header declares.

/// The header without comments.
fn header() -> String {
    let text = fs::read_to_string(format!("{INCLUDE}/handlestore.h")).unwrap();
    let parts = text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code));
    parts.collect()
}

/// A C program that prints what `layout` returns, for each struct of the header.
fn layout_program() -> String {
    let header = header();
    let mut prints = String::new();
    for body in header.split("typedef struct ").skip(1).filter(|body| body.contains('{')) {
        let (name, rest) = body.split_once('{').unwrap();
        let name = name.trim();
        if name.contains(';') {
            continue;
        }
        prints += &format!("printf(\"{name} %zu\\n\", sizeof({name}));\n");
        for member in members(rest.split_once('}').unwrap().0) {
            prints += &format!(
                "printf(\"{name}.{member} %zu %zu\\n\", offsetof({name}, {member}), \
                 sizeof((({name} *)0)->{member}));\n"
            );
        }
    }
    main(&prints)
}

/// The names in `uint32_t a; uint64_t b, c[4];`.
fn members(body: &str) -> Vec<String> {
    let declarations = body.split(';').filter(|declaration| !declaration.trim().is_empty());
    let names = declarations.flat_map(|declaration| declaration.split(','));
    names
        .map(|part| {
            let name = part.split('[').next().unwrap().trim();
            name.rsplit([' ', '*']).next().unwrap().to_string()
        })
        .collect()
}

const INCLUDE_LINE: &str = "#include <handlestore.h>\n";

fn main(prints: &str) -> String {
    format!("{INCLUDE_LINE}#include <stdio.h>\nint main(void)\n{{\n{prints}}}\n")
}

// What ffi.rs declares.

/// The functions of ffi.rs as C declarations.
fn prototypes() -> Vec<String> {
    let functions = DECLARATIONS.split_once("extern \"C\" {").unwrap().1;
    functions.split("pub fn ").skip(1).map(prototype).collect()
}

/// Turns `name(a: T, b: *const U) -> V;` into `V name(T a, const U *b);`.
fn prototype(function: &str) -> String {
    let (name, rest) = function.split_once('(').unwrap();
    let (arguments, rest) = rest.split_once(')').unwrap();
    let result =
        rest.split(';').next().unwrap().trim().strip_prefix("-> ").map_or("void".into(), c_type);
    let arguments = arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty());
    let mut arguments: Vec<_> =
        arguments.map(|argument| c_type(argument.split_once(':').unwrap().1.trim())).collect();
    if arguments.is_empty() {
        arguments.push("void".into());
    }
    format!("{result} {name}({});", arguments.join(", "))
}

fn c_type(name: &str) -> String {
    if let Some(target) = name.strip_prefix("*mut ") {
        return format!("{} *", c_type(target));
    }
    if let Some(target) = name.strip_prefix("*const ") {
        return format!("const {} *", c_type(target));
    }
    let words = [
        ("c_int", "int"),
        ("c_char", "char"),
        ("u32", "uint32_t"),
        ("u64", "uint64_t"),
        ("usize", "size_t"),
    ];
    words.iter().find(|(rust, _)| *rust == name).map_or(name, |(_, c)| c).to_string()
}

// Running gcc.

/// Returns the lines that a C program prints.
fn run_c(program: &str) -> BTreeSet<String> {
    let file = std::env::temp_dir().join(format!(
        "handlestore-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    gcc(&["-o", file.to_str().unwrap()], program);
    let output = Command::new(&file).output();
    fs::remove_file(&file).unwrap();
    let output = output.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

fn gcc(options: &[&str], program: &str) {
    let mut gcc = Command::new("gcc")
        .args(["-I", INCLUDE, "-x", "c", "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gcc is needed for this test");
    gcc.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = gcc.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{program}", String::from_utf8_lossy(&output.stderr));
}
