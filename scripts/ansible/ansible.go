// Package ansible holds the playbook for machines that no cloud API rents. Its tests read it; scripts/ansible/test runs it on a machine
// with systemd, against a real controller.
package ansible
