//! Trials of roles in virtual machines: scenarios, the faults in them, the
//! audits after them, and the report.

pub mod audit;
pub mod event;
pub mod fact;
pub mod observe;
pub mod report;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod select;
pub mod stub;
pub mod world;
