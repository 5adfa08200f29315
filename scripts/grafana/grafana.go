// Package grafana holds the dashboards. There is no Grafana to try them in: its tests check what can be checked without one.
package grafana
