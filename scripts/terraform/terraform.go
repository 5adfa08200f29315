// Package terraform holds the fixed parts of an installation on Hetzner Cloud as Terraform files. Its tests read and render them without a
// provider and without a cloud; where there is a terraform, it must agree.
package terraform
