// Package lua runs the scripts under config/argocd as Argo CD does: with the libraries package, base and table, and of os
// what tells the time.
package lua

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	golua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

// patience is how long Argo CD lets a script run.
const patience = time.Second

// Run runs a script with the global obj, which is an object as Kubernetes' JSON has it, and reads what it returns into result.
func Run(script string, obj map[string]any, result any) error {
	state := golua.NewState(golua.Options{SkipOpenLibs: true})
	defer state.Close()
	if err := open(state); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, obj))
	if err := state.DoString(script); err != nil {
		return fmt.Errorf("running the script: %w", err)
	}
	returned := state.Get(-1)
	if returned.Type() != golua.LTTable {
		return fmt.Errorf("the script returned %s, and must return a table", returned.Type())
	}
	content, err := luajson.Encode(returned)
	if err != nil {
		return fmt.Errorf("reading what the script returned: %w", err)
	}
	return json.Unmarshal(content, result)
}

// open opens the libraries.
func open(state *golua.LState) error {
	for _, library := range []struct {
		name string
		open golua.LGFunction
	}{
		{golua.LoadLibName, golua.OpenPackage},
		{golua.BaseLibName, golua.OpenBase},
		{golua.TabLibName, golua.OpenTable},
		{golua.OsLibName, golua.OpenOs},
	} {
		call := golua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, golua.LString(library.name)); err != nil {
			return fmt.Errorf("opening library %s: %w", library.name, err)
		}
	}
	// Of os, two functions stay, and only for who requires it.
	all := state.GetGlobal(golua.OsLibName)
	safe := state.NewTable()
	for _, name := range []string{"date", "time"} {
		safe.RawSetString(name, state.GetField(all, name))
	}
	state.SetGlobal(golua.OsLibName, golua.LNil)
	state.SetField(state.GetField(state.Get(golua.RegistryIndex), "_LOADED"), golua.OsLibName, golua.LNil)
	state.PreloadModule(golua.OsLibName, func(state *golua.LState) int {
		state.Push(safe)
		return 1
	})
	return nil
}

// value is a value of JSON in Lua, where an integer is a number as well.
func value(state *golua.LState, v any) golua.LValue {
	switch v := v.(type) {
	case int64:
		return golua.LNumber(v)
	case []any:
		list := state.CreateTable(len(v), 0)
		for _, item := range v {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(v))
		for key, item := range v {
			table.RawSetString(key, value(state, item))
		}
		return table
	default:
		return luajson.DecodeValue(state, v)
	}
}
