//! The key of corosync, from the cluster's secret.
