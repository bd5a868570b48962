// Package recipes holds the code of docs/recipes.md: this module beside others that programs often use. Each folder is one
// recipe. It is a module of its own, so that nobody else has to fetch what it needs.
package recipes
