"""Stages in fp16 and int8: conversion, measured loss, and the decision whether they are written."""
