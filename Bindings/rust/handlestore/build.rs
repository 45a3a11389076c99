//! Finds libhandlestore: in the directory HANDLESTORE_DIR, if that is set, else by pkg-config.

use std::env;
use std::process::{exit, Command};

fn main() {
    for name in ["HANDLESTORE_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let include = match env::var("HANDLESTORE_DIR") {
        Ok(directory) => link_in(&directory),
        Err(_) => link_by_pkg_config(),
    };
    // For the test that compares the declarations with the header.
    println!("cargo:rustc-env=HANDLESTORE_INCLUDE={include}");
}

/// Links the library of a directory that Scripts/clibrary wrote.
fn link_in(directory: &str) -> String {
    let directory = std::fs::canonicalize(directory)
        .unwrap_or_else(|error| fail(&format!("HANDLESTORE_DIR={directory}: {error}")));
    let directory = directory.display();
    println!("cargo:rerun-if-changed={directory}/handlestore.h");
    println!("cargo:rustc-link-search=native={directory}");
    println!("cargo:rustc-link-lib=dylib=handlestore");
    // The tests and examples of this crate find it at run time, too.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{directory}");
    directory.to_string()
}

fn link_by_pkg_config() -> String {
    for flag in pkg_config(&["--libs", "handlestore >= 0.2"]).split_whitespace() {
        if let Some(directory) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={directory}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib=dylib={library}");
        }
    }
    pkg_config(&["--variable=includedir", "handlestore"]).trim().to_string()
}

fn pkg_config(arguments: &[&str]) -> String {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_string());
    match Command::new(&program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => fail(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => fail(&format!("{program}: {error}")),
    }
}

fn fail(why: &str) -> ! {
    eprintln!("libhandlestore 0.2 or later was not found: {}", why.trim());
    eprintln!(
        "Install libhandlestore-dev and pkg-config, or set HANDLESTORE_DIR to the directory that \
         has handlestore.h and libhandlestore.so."
    );
    exit(1)
}
